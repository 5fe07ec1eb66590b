"""What the office alone speaks of: frozen, with no I/O."""
