"""What the office says: catalogues like those of `gateway.words`, a folder for each language."""
