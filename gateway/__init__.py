"""A node for exchanging official documents between agencies over the interconnection axis."""

__version__ = "0.1.0"
