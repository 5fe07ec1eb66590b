"""Services of the node for the pages, beyond its flows."""
