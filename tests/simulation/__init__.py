"""A deterministic simulator: whole nodes on a clock that jumps, whose every delay, fault and caller follows from a seed."""
