"""Tests that make or open many backups use keys under a passphrase that costs nothing.
`tests/unit/trust/test_sealed_files.py` pays the real price of a passphrase."""

from __future__ import annotations

import hashlib

import pyrage
import pytest

from gateway.trust import sealed_files
from gateway.trust.sealed_files import Identity, NotOpened


def make_cheap(patch: pytest.MonkeyPatch) -> None:
    def lock(identity: Identity, passphrase: bytes) -> bytes:
        return hashlib.sha256(passphrase).digest() + str(identity).encode()

    def unlock(locked: bytes, passphrase: bytes, most_work: int = 0) -> bytes:
        if locked[:32] != hashlib.sha256(passphrase).digest():
            raise NotOpened("another passphrase")
        return locked[32:]

    patch.setattr(sealed_files, "lock", lock)
    patch.setattr(sealed_files, "unlock", unlock)


def plain_pair() -> tuple[bytes, bytes]:
    """Make a pair of age keys as its own tool does: the private half is under no passphrase."""
    identity = pyrage.x25519.Identity.generate()
    return f"# made for a test\n{identity}\n".encode(), f"{identity.to_public()}\n".encode()
