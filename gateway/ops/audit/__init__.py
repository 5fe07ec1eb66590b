"""The sealed log examined, searched, taken out and published. One module for each."""
