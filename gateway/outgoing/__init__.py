"""The way out, in order: intake, check, accept, package, dispatch; recall beside them."""
