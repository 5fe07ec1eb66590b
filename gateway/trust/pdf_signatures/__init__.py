"""Checks the signatures inside PDFs: they are read in a process of their own and judged by anchors and revocation data."""

# Detail of the fault of an encrypted file, which is sound but not read.
ENCRYPTED = "the file is encrypted"
