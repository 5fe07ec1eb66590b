"""Ports: the axis in `axis`; in `services` tools with several implementations, or whose library stays out of the core.
Adapters do not inherit from these; contract tests prove that they conform. Each docstring says what is durable on return,
what can go wrong, and whether a repeat is harmless."""
