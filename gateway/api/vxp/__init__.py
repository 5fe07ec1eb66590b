"""The door for document systems that know the national axis's library alone (dialect R1): its calls, on this node."""
