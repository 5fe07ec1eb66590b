"""A webhook is believed when it is what the node signed, and never otherwise."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.webhook import KeptSecret
from gateway.trust.sealing import SealedSecrets
from gateway_client import ForgedWebhook, verify_webhook

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
AT = NOW.timestamp()
EVENT: Any = {"id": "evt_1-7", "type": "message.status", "data": {"note": "Đã nhận"}}
BODY = json.dumps(EVENT, ensure_ascii=False).encode()


@pytest.fixture
def box(tmp_path: Path) -> SealedSecrets:
    return SealedSecrets(tmp_path, b"password")


def test_what_the_node_signed_is_believed_under_either_secret_while_they_change(box: SealedSecrets) -> None:
    old, sealed_old = box.new("whk_1")
    new, sealed_new = box.new("whk_1")
    secrets = [KeptSecret(sealed=sealed_new), KeptSecret(sealed=sealed_old, until=NOW + timedelta(hours=1))]
    headers = box.headers("whk_1", secrets, "evt_1-7", NOW, BODY)
    other = box.new("whk_1")[0]

    assert verify_webhook(headers, BODY, old, now=AT) == EVENT
    assert verify_webhook({k.title(): v for k, v in headers.items()}, BODY, new, now=AT) == EVENT
    assert verify_webhook(headers, BODY, [other, new], now=AT + 300) == EVENT
    assert verify_webhook(headers, BODY, new, now=AT + 3000, tolerance_s=3600) == EVENT
    for secret, moment in ((other, AT), (old, AT + 301), (old, AT - 301)):
        with pytest.raises(ForgedWebhook):
            verify_webhook(headers, BODY, secret, now=moment)


def test_a_changed_call_fails_the_signature_check(box: SealedSecrets) -> None:
    secret, sealed = box.new("whk_1")
    headers = dict(box.headers("whk_1", [KeptSecret(sealed=sealed)], "evt_1-7", NOW, BODY))
    assert verify_webhook(headers, BODY, secret, now=AT)
    times = (str(int(AT) + 1), "", "1e9", "١٢٣", "9" * 400)
    signatures = ("", "v1,", "v1", "v1,%%%", "v1,đ", "v2,AAAA v1a,AAAA")

    for name, texts in {
        "webhook-id": ("evt_1-8", "\udcff"),
        "webhook-timestamp": times,
        "webhook-signature": signatures,
    }.items():
        without = {n: text for n, text in headers.items() if n != name}
        for changed in (without, *({**headers, name: text} for text in texts)):
            with pytest.raises(ForgedWebhook):
                verify_webhook(changed, BODY, secret, now=AT)
    with pytest.raises(ForgedWebhook):
        verify_webhook(headers, BODY + b" ", secret, now=AT)
    # No secret is a fault of the program and lets nothing through.
    nothing: tuple[str | list[str], ...] = ("", "whsec_", "gwk_key", base64.b64encode(b"short").decode(), [])
    for none in nothing:
        with pytest.raises(ValueError, match="expected"):
            verify_webhook(headers, BODY, none, now=AT)


def test_the_published_example_of_the_specification_passes() -> None:
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1a,x v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

    event: Any = verify_webhook(headers, b'{"test": 2432232314}', secret, now=1614265330)
    assert event == {"test": 2432232314}
    with pytest.raises(ForgedWebhook, match="clock"):
        verify_webhook(headers, b'{"test": 2432232314}', secret)
