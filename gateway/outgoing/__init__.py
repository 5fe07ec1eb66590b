"""The way out, in order: intake, check, accept, package, enqueue, dispatch; recall beside them."""
