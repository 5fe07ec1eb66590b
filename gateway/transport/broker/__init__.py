"""Keep a broker in line with the registry, and examine it as a node sees it: definitions, plan, apply, check."""
