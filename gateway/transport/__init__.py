"""The axis: adapters that move parcels between nodes and promise what `ports.axis` says."""
