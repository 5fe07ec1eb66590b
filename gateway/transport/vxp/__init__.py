"""The national document axis, as its own library speaks to it (dialect R1)."""
