"""The loops that only persons need."""
