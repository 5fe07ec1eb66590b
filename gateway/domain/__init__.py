"""Frozen values and pure rules about them, without I/O. Imports only errors and catalogues of words."""
