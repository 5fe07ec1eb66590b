"""Keeps the secrets with which document systems sign their calls, encrypted by a key of the node. In: the settings, the id
of a credential. Out: a new secret with its encrypted form; the decrypted secret."""

from __future__ import annotations

from pathlib import Path

from gateway import random_source
from gateway.domain.account import ApiKey
from gateway.errors import Misconfigured
from gateway.settings import Settings
from gateway.trust.sealing import SealingKey

_SECRET_BYTES = 32
_SYSTEM_PURPOSE = b"lienthong system secrets 1"


class SystemSecretBox:
    """Secrets of document systems, encrypted for this node. Sync: the first call reads a file."""

    def __init__(self, keys_folder: Path, password: bytes | None) -> None:
        self._key = SealingKey(keys_folder, password, _SYSTEM_PURPOSE, "the secrets of document systems")

    def new(self, key_id: str) -> tuple[str, str]:
        """Return a new secret, in characters that any settings file takes, and its encrypted form."""
        secret = random_source.token_urlsafe(_SECRET_BYTES)
        return secret, self.sealed(secret, key_id)

    def sealed(self, secret: str, key_id: str) -> str:
        """Return the encrypted form of a secret that was made elsewhere."""
        return self._key.seal(secret.encode(), key_id)

    def opened(self, key: ApiKey) -> str:
        """Return the secret of a system in plain; quick except for the first call, which reads the key file."""
        raw = self._key.open(key.sealed or "", key.id)
        if raw is None:
            raise Misconfigured(
                f"the secret of system {key.system} was sealed with another key than {self._key.path}",
                hint=f"put that key back from a backup, or give it a new secret: gateway compat rotate {key.system}",
            )
        return raw.decode()


def system_secrets(settings: Settings) -> SystemSecretBox:
    """Open the secrets of the document systems of this node."""
    return SystemSecretBox(settings.keys.folder, settings.keys.passwords)
