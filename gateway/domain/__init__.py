"""What things are: frozen, with no I/O. Imports nothing of the program but errors."""
