"""Durable simulators of foreign axes, for tests and for whoever writes a client. They know nothing of our own clients."""
