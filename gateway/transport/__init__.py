"""Adapters of the axis: they move parcels between nodes and keep the promises of `ports.axis`."""
