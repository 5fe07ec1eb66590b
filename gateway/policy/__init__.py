"""What is allowed: pure verdicts over domain values."""
