"""The interface for document systems that know only the national axis's library (dialect R1): its calls, on this node."""
