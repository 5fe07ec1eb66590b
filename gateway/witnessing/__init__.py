"""Witnesses of the sealed log: this node asks others to cosign its checkpoints (`asking`), and cosigns those of others
(`cosigning`), by signed letters over its own axes (`letters`) or over HTTP."""
