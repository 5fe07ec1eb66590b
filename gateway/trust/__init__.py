"""Keys, certificates and inspection of files: implementations of the protocols Keys, Trust and Inspector."""
