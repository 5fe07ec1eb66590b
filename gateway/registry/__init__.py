"""Agency codes: who is behind a code at a date, and which certificate is bound to it."""
