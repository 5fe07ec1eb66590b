"""Adapter of the national document axis, in the protocol of its own library."""
