"""What the pages ask of the node beyond its desks."""
