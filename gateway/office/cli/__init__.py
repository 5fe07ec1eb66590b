"""Commands about what persons at pages need."""
