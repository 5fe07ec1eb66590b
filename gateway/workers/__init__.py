"""Long-running loops, and nothing but loops."""
