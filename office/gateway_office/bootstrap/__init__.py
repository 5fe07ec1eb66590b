"""Puts the office over a node of the exchange."""
