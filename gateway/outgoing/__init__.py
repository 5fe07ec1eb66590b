"""The way out, step by step: intake, check, accept, package, dispatch; and recall of what was sent."""
