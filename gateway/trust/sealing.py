"""Secrets that must be had in plain to work with them, kept sealed: whoever has the database, or a copy of it without the
node's keys, has none of them. In: a key of the node's own, which lies encrypted beside its exchange keys; a purpose,
which keeps what is sealed for one apart from every other; bytes with what they belong to. Out: text for the database,
and the bytes again."""

from __future__ import annotations

import base64
import os
from functools import cached_property, partial
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.errors import Misconfigured
from gateway.trust.keys import own_key

# Below the exchange keys, with a name that no agency has; webhooks were the first.
FOLDER, FILE = "_webhooks", "secrets.key.pem"
_NONCE, _KEY = 12, 32


class SealingKey:
    """Of one purpose. Safe to share between threads; the file is read when it is first needed."""

    def __init__(self, keys_folder: Path, password: bytes | None, purpose: bytes, what: str) -> None:
        """`what` it seals, for who has to put it right."""
        self.path = keys_folder / FOLDER / FILE
        self._password, self._purpose, self._what = password, purpose, what

    @cached_property
    def _cipher(self) -> AESGCM:
        made = partial(ec.generate_private_key, ec.SECP256R1())
        key = own_key(self.path, self._password, made, f"that seals {self._what}")
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise Misconfigured(f"the key that seals {self._what} must be on P-256: {self.path}")
        scalar = key.private_numbers().private_value.to_bytes(_KEY, "big")
        derived = HKDF(algorithm=hashes.SHA256(), length=_KEY, salt=None, info=self._purpose).derive(scalar)
        return AESGCM(derived)

    def seal(self, raw: bytes, owner: str) -> str:
        """It opens for that owner alone."""
        nonce = os.urandom(_NONCE)
        return base64.b64encode(nonce + self._cipher.encrypt(nonce, raw, owner.encode())).decode()

    def open(self, sealed: str, owner: str) -> bytes | None:
        """None for what was sealed with another key, or for another owner."""
        raw = base64.b64decode(sealed)
        try:
            return self._cipher.decrypt(raw[:_NONCE], raw[_NONCE:], owner.encode())
        except InvalidTag:
            return None
