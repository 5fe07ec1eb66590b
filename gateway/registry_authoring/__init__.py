"""Authoring of the registry: what changes codes and bindings, and what a node says of its lists. No flow imports it."""
