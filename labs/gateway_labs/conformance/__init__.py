"""Takes a gateway through numbered steps and says which of them it passes. It judges answers and packets alone."""
