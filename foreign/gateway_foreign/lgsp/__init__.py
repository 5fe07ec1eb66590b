"""Adapter of the provincial service (LGSP), following its guide."""
