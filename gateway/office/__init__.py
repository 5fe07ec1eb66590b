"""The office: what persons at pages need, above the exchange, which never imports it."""
