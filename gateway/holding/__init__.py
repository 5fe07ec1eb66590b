"""The sealed hold of secrets: frozen at once, sealed apart, lifted or purged by a person's recorded decision."""
