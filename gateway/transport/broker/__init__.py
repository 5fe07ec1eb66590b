"""Keeps a broker in line with the registry, and examines it as a node sees it: definitions, plan, apply, check."""
