"""Keys, certificates and what a file is: the adapters behind Keys, Trust and Inspector."""
