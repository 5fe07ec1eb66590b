"""A node to try programs against, with robot agencies behind its axis. Nothing in the exchange knows it."""
