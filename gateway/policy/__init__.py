"""Rules of the exchange: pure verdicts over domain values."""
