"""The axis: adapters that move parcels between nodes and promise what ports.Axis says."""
