"""The message after a PDF was read into a draft names no more than was read."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gateway.domain.document import Draft, Signer
from gateway.words import labels
from gateway_office.web.pages.compose.uploads import filling_message

EMPTY = Draft()
SIGNED_AT = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("filled", "doubts", "key"),
    [
        (EMPTY, (), "compose.read.nothing"),
        (EMPTY, ("number",), "compose.read.differs"),
        (replace(EMPTY, pages=3), (), "compose.read.little"),
        (replace(EMPTY, pages=3, signed_at=SIGNED_AT), ("pages",), "compose.read.little"),
        (replace(EMPTY, subject="V/v thử"), (), "compose.read.sure"),
        (replace(EMPTY, pages=3, signer=Signer(name="Người Ký")), ("name",), "compose.read.doubtful"),
    ],
)
def test_only_what_was_read_is_said_to_have_been_filled_in(
    filled: Draft, doubts: tuple[str, ...], key: str
) -> None:
    assert filling_message(EMPTY, filled, doubts) == key
    assert labels.has(f"told.{key}")
