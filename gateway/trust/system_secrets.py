"""The secrets by which document systems sign their calls. In: the node's sealing key; a credential. Out: a new secret with
what is kept of it, sealed for this node and that credential; the secret again, to compute the code over a call."""

from __future__ import annotations

import secrets
from pathlib import Path

from gateway.domain.account import ApiKey
from gateway.errors import Misconfigured
from gateway.trust.sealing import SealingKey

_BYTES = 32
_PURPOSE = b"lienthong system secrets 1"


class SystemSecretBox:
    """Keeps the promise of `api.vxp.caller.SystemSecrets`. Sync: the first call reads a file."""

    def __init__(self, keys_folder: Path, password: bytes | None) -> None:
        self._key = SealingKey(keys_folder, password, _PURPOSE, "the secrets of document systems")

    def new(self, key_id: str) -> tuple[str, str]:
        """The secret in letters that a settings file of any kind takes, and what is kept of it."""
        secret = secrets.token_urlsafe(_BYTES)
        return secret, self.sealed(secret, key_id)

    def sealed(self, secret: str, key_id: str) -> str:
        """What is kept of a secret that was made elsewhere."""
        return self._key.seal(secret.encode(), key_id)

    def opened(self, key: ApiKey) -> str:
        raw = self._key.open(key.sealed or "", key.id)
        if raw is None:
            raise Misconfigured(
                f"the secret of system {key.system} was sealed with another key than {self._key.path}",
                hint=f"put that key back from a backup, or give it a new secret: gateway compat rotate {key.system}",
            )
        return raw.decode()
