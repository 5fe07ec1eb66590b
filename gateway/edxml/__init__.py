"""The envelope as bytes: written, read, signed and verified, with no I/O."""
