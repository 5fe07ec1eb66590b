"""Commands about foreign axes, and about document systems that use the national axis's library."""
