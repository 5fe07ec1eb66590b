"""What is allowed to persons at pages, and what they are reminded of: pure verdicts."""
