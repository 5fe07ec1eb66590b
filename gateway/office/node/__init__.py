"""What the pages ask of the node beyond its desks: each module keeps one promise of `gateway.office.web`."""
