"""The secrets with which webhooks are signed. In: a key of the node's own, which lies encrypted beside its exchange keys;
bytes to sign. Out: new secrets, sealed for this node and one webhook; the headers of Standard Webhooks over a body.

A secret must be had in plain to sign with it, unlike an API key. So it is kept sealed: whoever has the database, or a
copy of it without the node's keys, has none of them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from gateway.domain.webhook import KeptSecret
from gateway.errors import Misconfigured
from gateway.trust.sealing import SealingKey

PREFIX = "whsec_"
_BYTES = 32
_PURPOSE = b"lienthong webhook secrets 1"


class SealedSecrets:
    """Keeps the promise of `ports.webhooks.WebhookSecrets`. Safe to share between threads."""

    def __init__(self, keys_folder: Path, password: bytes | None) -> None:
        self._key = SealingKey(keys_folder, password, _PURPOSE, "the secrets of webhooks")

    def new(self, webhook_id: str) -> tuple[str, str]:
        raw = secrets.token_bytes(_BYTES)
        return PREFIX + base64.b64encode(raw).decode(), self._key.seal(raw, webhook_id)

    def headers(
        self, webhook_id: str, secrets: Sequence[KeptSecret], event_id: str, at: datetime, body: bytes
    ) -> Mapping[str, str]:
        stamp = str(int(at.timestamp()))
        signed = f"{event_id}.{stamp}.".encode() + body
        good = [each for each in secrets if each.until is None or at < each.until]
        return {
            "webhook-id": event_id,
            "webhook-timestamp": stamp,
            "webhook-signature": " ".join(
                "v1,"
                + base64.b64encode(
                    hmac.new(self._opened(webhook_id, each), signed, hashlib.sha256).digest()
                ).decode()
                for each in good
            ),
        }

    def _opened(self, webhook_id: str, kept: KeptSecret) -> bytes:
        raw = self._key.open(kept.sealed, webhook_id)
        if raw is None:
            raise Misconfigured(
                f"a webhook's secret was sealed with another key than {self._key.path}",
                hint="put that key back from a backup, or give the webhook a new secret: gateway webhooks rotate",
            )
        return raw
