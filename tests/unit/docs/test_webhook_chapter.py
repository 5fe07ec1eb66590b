"""The lines that integrators copy to check a webhook hold against what a node signs, and against nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from gateway.domain.webhook import KeptSecret
from gateway.errors import Misconfigured
from gateway.trust.sealing import SealedSecrets

ROOT = Path(__file__).parents[3]
NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
BODY = '{"type":"message.status","data":{"note":"Đã nhận"}}'.encode()
Check = Callable[[str, Mapping[str, str], bytes, float], bool]


@pytest.fixture
def is_ours() -> Check:
    text = (ROOT / "docs" / "integrators.md").read_text(encoding="utf-8")
    (code,) = [block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "is_ours" in block]
    assert len(code.split("def is_ours")[1].splitlines()) <= 10
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 - the very lines of our own page
    return cast("Check", names["is_ours"])


def test_the_lines_of_the_page_take_what_a_node_signs_and_nothing_else(
    is_ours: Check, tmp_path: Path
) -> None:
    box = SealedSecrets(tmp_path, b"password")
    secret, sealed = box.new("whk_1")
    other, sealed_other = box.new("whk_1")
    secrets = [KeptSecret(sealed=sealed_other), KeptSecret(sealed=sealed, until=NOW + timedelta(hours=1))]
    headers = box.headers("whk_1", secrets, "evt_1-7", NOW, BODY)
    at = NOW.timestamp()

    assert is_ours(secret, headers, BODY, at)
    assert is_ours(other, headers, BODY, at + 299)
    assert not is_ours(secret, headers, BODY, at + 301)
    assert not is_ours(secret, headers, BODY, at - 301)
    assert not is_ours(secret, headers, BODY + b" ", at)
    assert not is_ours(secret, {**headers, "webhook-id": "evt_1-8"}, BODY, at)
    assert not is_ours(secret, {**headers, "webhook-timestamp": str(int(at) + 1)}, BODY, at)
    assert not is_ours(box.new("whk_1")[0], headers, BODY, at)
    late = box.headers("whk_1", secrets, "evt_1-7", NOW + timedelta(hours=1), BODY)
    assert not is_ours(secret, late, BODY, at + 3600)


def test_what_is_kept_is_sealed_for_one_node_and_one_webhook(tmp_path: Path) -> None:
    secret, sealed = SealedSecrets(tmp_path / "a", b"password").new("whk_1")
    secrets = [KeptSecret(sealed=sealed)]

    assert secret.removeprefix("whsec_") not in sealed
    assert SealedSecrets(tmp_path / "a", b"password").headers("whk_1", secrets, "e", NOW, BODY)
    with pytest.raises(Misconfigured):
        SealedSecrets(tmp_path / "b", b"password").headers("whk_1", secrets, "e", NOW, BODY)
    with pytest.raises(Misconfigured):
        SealedSecrets(tmp_path / "a", b"password").headers("whk_2", secrets, "e", NOW, BODY)
    with pytest.raises(Misconfigured):
        SealedSecrets(tmp_path / "a", b"another").headers("whk_1", secrets, "e", NOW, BODY)
    key = tmp_path / "a" / "_webhooks" / "secrets.key.pem"
    assert key.stat().st_mode & 0o077 == 0
    assert b"ENCRYPTED" in key.read_bytes()
