"""Durable simulators of foreign axes, for tests and for authors of clients. They know nothing of our own clients."""
