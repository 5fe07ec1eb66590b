"""Agency codes: which agency has a code on a date, and which certificates are bound to it."""
