"""Tells whether a webhook is the node's (Standard Webhooks 1.0). In: headers, the body as it came, your secret. Out: the
event, or ForgedWebhook. The body is not read before it is believed. It needs no client and no connection."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence

from gateway_client.errors import ForgedWebhook
from gateway_client.shapes import EventOut

TOLERANCE_S = 300
_MOST_SIGNATURES = 20


def verify_webhook(
    headers: Mapping[str, str],
    body: bytes,
    secret: str | Sequence[str],
    *,
    tolerance_s: float = TOLERANCE_S,
    now: float | None = None,
) -> EventOut:
    """Return the event. `secret` may be several, while one replaces another; a body may bear several signatures, and one
    that fits is enough. The same event may come twice: keep the ids that you have done."""
    lowered = {name.lower(): text for name, text in headers.items()}
    try:
        id, stamp, signatures = (lowered[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
    except KeyError as why:
        raise ForgedWebhook(f"there is no header {why.args[0]}") from None
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 15):
        raise ForgedWebhook("webhook-timestamp is no time")
    apart_s = abs((time.time() if now is None else now) - int(stamp))
    signed = b".".join([id.encode(errors="replace"), stamp.encode(), body])
    keys = [_key(s) for s in ([secret] if isinstance(secret, str) else secret)]
    if not keys:
        raise ValueError("expected a secret")
    expected = [hmac.digest(key, signed, hashlib.sha256) for key in keys]
    offered = [_signature(s) for s in signatures.split()[:_MOST_SIGNATURES]]
    if not any(hmac.compare_digest(a, b) for a in expected for b in offered):
        raise ForgedWebhook("no signature fits")
    if apart_s > tolerance_s:
        raise ForgedWebhook(f"it was signed {apart_s:.0f} s from now; is the clock right?")
    try:
        event: EventOut = json.loads(body)
    except ValueError:
        raise ForgedWebhook("its body is no JSON") from None
    return event


def _key(secret: str) -> bytes:
    """Decode a secret. ValueError where it is no secret of a webhook: a fault of this program, and not of its caller."""
    try:
        key = base64.b64decode(secret.strip().removeprefix("whsec_"), validate=True)
    except binascii.Error:
        key = b""
    if len(key) < 16:
        raise ValueError("expected the secret of a webhook (whsec_…)")
    return key


def _signature(text: str) -> bytes:
    version, _, encoded = text.partition(",")
    try:
        return base64.b64decode(encoded, validate=True) if version == "v1" else b""
    except (binascii.Error, ValueError):
        return b""
