"""The demonstration: a local axis, a demo authority, three agencies and their story."""
