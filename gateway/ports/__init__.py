"""The promises that more than one implementation keeps, or by which a library stays out of the core: the axis in `axis`,
the tools around the flows in `services`. Adapters do not inherit from these; contract tests prove that they conform. Each
docstring says what is durable on return, what can go wrong, and whether a repeat is harmless."""
