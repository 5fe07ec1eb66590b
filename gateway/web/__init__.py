"""Front door for people."""
