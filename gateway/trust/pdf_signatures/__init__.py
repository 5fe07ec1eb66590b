"""Signatures inside PDFs, checked: read in a process of its own, held against anchors and revocation data."""

# The detail of a file that is whole and may not be read.
ENCRYPTED = "the file is encrypted"
