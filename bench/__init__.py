"""The cost of a document: time, event loop stalls, memory, CPU. `python -m bench` measures and prints; nothing here is part
of the product, and nothing in the product knows of it."""
