"""Running the node: status, doctor, explain, offline verification."""
