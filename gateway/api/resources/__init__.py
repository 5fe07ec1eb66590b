"""One module per resource: JSON to use case and back."""
