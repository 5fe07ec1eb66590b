"""Ports: `axis` has the axis; `services` has tools that have several implementations, or whose library must stay out of
the core. Adapters do not inherit from them; contract tests prove that they conform. Each docstring tells what is durable on
return, what can go wrong, and whether a repeat is harmless."""
