"""Signatures inside PDFs, checked: read in a process of its own, held against anchors and revocation data."""
