"""Encrypts secrets that the node needs in plain: those of webhooks, and those of document systems, with which these sign
their calls. Unlike an API key, which is only hashed, they are stored encrypted, so that the database or its copy reveals
none of them without the node's keys. In: a key of the node in a file beside its exchange keys; a purpose, which
separates kinds of secrets; the owner of a secret. Out: the encrypted bytes, and these decrypted; a new secret of a
webhook, or the headers of Standard Webhooks for a body."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway import random_source
from gateway.domain.webhook import KeptSecret
from gateway.errors import Misconfigured
from gateway.trust.keys import own_key

# Folder below the exchange keys, with a name that no agency has; webhooks used it first.
FOLDER, FILE = "_webhooks", "secrets.key.pem"
_NONCE, _KEY = 12, 32


class SealingKey:
    """Key of one purpose, derived from the node's key file at the first use. Safe to share between threads."""

    def __init__(self, keys_folder: Path, password: bytes | None, purpose: bytes, contents: str) -> None:
        """Keep the settings; `contents` names the encrypted secrets in errors."""
        self.path = keys_folder / FOLDER / FILE
        self._password, self._purpose, self._contents = password, purpose, contents

    @cached_property
    def _cipher(self) -> AESGCM:
        generate = partial(ec.generate_private_key, ec.SECP256R1())
        key = own_key(self.path, self._password, generate, f"that seals {self._contents}")
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise Misconfigured(f"the key that seals {self._contents} must be on P-256: {self.path}")
        scalar = key.private_numbers().private_value.to_bytes(_KEY, "big")
        derived = HKDF(algorithm=hashes.SHA256(), length=_KEY, salt=None, info=self._purpose).derive(scalar)
        return AESGCM(derived)

    def seal(self, raw: bytes, owner: str) -> str:
        """Return the bytes encrypted for one owner."""
        nonce = random_source.token_bytes(_NONCE)
        return base64.b64encode(nonce + self._cipher.encrypt(nonce, raw, owner.encode())).decode()

    def open(self, sealed: str, owner: str) -> bytes | None:
        """Return the decrypted bytes; None for bytes encrypted with another key or for another owner."""
        raw = base64.b64decode(sealed)
        try:
            return self._cipher.decrypt(raw[:_NONCE], raw[_NONCE:], owner.encode())
        except InvalidTag:
            return None


_SECRET_BYTES = 32
PREFIX = "whsec_"
_WEBHOOK_PURPOSE = b"lienthong webhook secrets 1"


def webhook_headers(keys: Sequence[bytes], event_id: str, at: datetime, body: bytes) -> Mapping[str, str]:
    """Return the headers of Standard Webhooks: id, time, and a signature with each of the keys."""
    stamp = str(int(at.timestamp()))
    signed = f"{event_id}.{stamp}.".encode() + body
    digests = (hmac.digest(key, signed, "sha256") for key in keys)
    return {
        "webhook-id": event_id,
        "webhook-timestamp": stamp,
        "webhook-signature": " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests),
    }


class SealedSecrets:
    """Secrets of webhooks. Sync, and the first call may write a file: call it in the pool. It raises Misconfigured when
    the node's key cannot be opened. Safe to share between threads."""

    def __init__(self, keys_folder: Path, password: bytes | None) -> None:
        self._key = SealingKey(keys_folder, password, _WEBHOOK_PURPOSE, "the secrets of webhooks")

    def new(self, webhook_id: str) -> tuple[str, str]:
        """Return a new secret, to be shown once, and its form encrypted for that webhook."""
        raw = random_source.token_bytes(_SECRET_BYTES)
        return PREFIX + base64.b64encode(raw).decode(), self._key.seal(raw, webhook_id)

    def headers(
        self, webhook_id: str, secrets: Sequence[KeptSecret], event_id: str, at: datetime, body: bytes
    ) -> Mapping[str, str]:
        """Return the headers of a body, signed with each secret that is valid then."""
        good = [s for s in secrets if s.until is None or at < s.until]
        return webhook_headers([self._open_secret(webhook_id, s) for s in good], event_id, at, body)

    def _open_secret(self, webhook_id: str, secret: KeptSecret) -> bytes:
        raw = self._key.open(secret.sealed, webhook_id)
        if raw is None:
            raise Misconfigured(
                f"a webhook's secret was sealed with another key than {self._key.path}",
                hint="put that key back from a backup, or give the webhook a new secret: gateway webhooks rotate",
            )
        return raw
