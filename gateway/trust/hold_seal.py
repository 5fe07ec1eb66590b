"""Encrypts content of the hold and decrypts it (R4, sealed hold) for one age public key, whose private half is not on
the node. In: a stream. Out: an age file, or the original bytes. A private key in PEM form decrypts content that was
sealed before the hold used age files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import BinaryIO

import pyrage
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from gateway.errors import Denied, Misconfigured, StoreFailure
from gateway.trust import sealed_files
from gateway.trust.key_material import spki
from gateway.trust.sealed_files import Broken, ByteSource, ByteTarget, Identity, NotOpened, PemKey, Recipient


class RecipientSealer:
    """Sealer for one recipient, whose private key is not on this node. Sync: call it in the pool."""

    def __init__(self, recipient: Recipient) -> None:
        self._recipient = recipient
        self.fingerprint = _fingerprint(recipient)

    @classmethod
    def from_file(cls, path: Path) -> RecipientSealer:
        """Make it from a file with a public key; raise Misconfigured when the file holds no usable one."""
        try:
            return cls(sealed_files.recipient_in(path.read_bytes()))
        except (OSError, ValueError) as cause:
            raise Misconfigured(
                f"seal.recipient: {path} holds no public key of age",
                hint="make a pair with: gateway hold key, and keep the private half away from this node; an older pair in "
                "PEM form goes on opening what was sealed for it",
            ) from cause

    def seal(self, source: ByteSource, target: ByteTarget) -> None:
        """Write the content encrypted, so that only the recipient's private key opens it."""
        sealed_files.seal(source, target, self._recipient)


class KeyUnsealer:
    """Unsealer with the recipient's private key, which is given only for one opening. Sync: call it in the pool."""

    def __init__(self, key: Identity | PemKey) -> None:
        self._key = key
        self._is_pem = False
        if isinstance(key, X25519PrivateKey | rsa.RSAPrivateKey):
            self._is_pem = True
            self.fingerprint = hashlib.sha256(spki(key.public_key())).hexdigest()
        else:
            self.fingerprint = _fingerprint(key.to_public())

    @classmethod
    def from_file(
        cls, raw: bytes, passphrase: bytes, most_work: int = sealed_files.WORK_IN_SERVICE
    ) -> KeyUnsealer:
        """Make it from the bytes of a key file; raise Denied when it holds no private key or the passphrase is wrong."""
        try:
            if raw.startswith(b"-----BEGIN "):
                key = serialization.load_pem_private_key(raw, passphrase or None)
                if isinstance(key, X25519PrivateKey | rsa.RSAPrivateKey):
                    return cls(key)
                raise ValueError("the key is neither an X25519 nor an RSA key")
            if raw.startswith(sealed_files.AGE):
                raw = sealed_files.unlock(raw, passphrase, most_work)
            return cls(sealed_files.identity_in(raw))
        except (ValueError, TypeError, NotOpened) as cause:
            raise Denied(
                "this is no private key of age or in PEM form, or its passphrase is another one",
                code="GW-SEAL-KEY",
            ) from cause

    def unseal(self, source: BinaryIO, target: ByteTarget) -> None:
        """Write the decrypted bytes, each authenticated first. Raise Denied for content sealed for another key,
        StoreFailure for damaged content. The caller must check by the digest that it is the wanted content."""
        is_earlier = source.read(len(sealed_files.EARLIER_HOLD)) == sealed_files.EARLIER_HOLD
        source.seek(0)
        try:
            if is_earlier != self._is_pem:
                raise NotOpened("it was sealed for a key of the other kind")
            unseal = sealed_files.unseal_earlier_hold if is_earlier else sealed_files.unseal
            unseal(source, target, self._key)
        except NotOpened as cause:
            raise Denied(
                f"this key does not open it, or its first bytes are damaged: {cause}",
                code="GW-SEAL-KEY",
                hint="use the private key that the hold names, then another copy of the sealed content",
            ) from cause
        except Broken as cause:
            raise StoreFailure(
                f"the sealed content is damaged: {cause}; use another copy of it", code="GW-SEAL-DAMAGED"
            ) from cause


def new_pair(passphrase: bytes) -> tuple[bytes, bytes]:
    """Return a new age key pair: the private key, encrypted with the passphrase, and the public key."""
    identity = pyrage.x25519.Identity.generate()
    return sealed_files.lock(identity, passphrase), f"{identity.to_public()}\n".encode()


def _fingerprint(recipient: Recipient) -> str:
    return hashlib.sha256(str(recipient).encode()).hexdigest()
