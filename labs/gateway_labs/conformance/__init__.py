"""Takes a gateway through numbered steps and reports which of them it passes. It judges answers and packets alone."""
