"""The number of passes over the bytes of a document in files on its way there and back, at both ends."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any

import pytest
from pybase64 import b64decode

from gateway.edxml import attachment
from tests.support.node import PDF, PROVINCE, Town

SIZE = 300_000
# The document is hashed when it comes and when it is taken out; the envelope, a third larger, when it is written, twice
# when it is proved before it leaves, and twice when it is proved.
MOST_HASHED = 2 + 5 * 4 / 3
# Once to see that there is nothing else in it at either end, and once to take the file out.
MOST_DECODED = 3 * 4 / 3
SHA256 = hashlib.sha256


class _Passes(Counter[str]):
    """Bytes of what is long, by what was done with them."""

    def note(self, work: str, data: Any) -> None:
        if len(data) > SIZE // 10:
            self[work] += len(data)


def _counting_hash(passes: _Passes) -> type[Any]:
    class CountingHash:
        """Stands for SHA-256 in every module."""

        def __init__(self, data: Any = b"") -> None:
            passes.note("hashed", data)
            self._hash = SHA256(data)

        def update(self, data: Any) -> None:
            passes.note("hashed", data)
            self._hash.update(data)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._hash, name)

    return CountingHash


async def test_the_bytes_of_a_large_document_are_gone_through_no_oftener_than_they_have_to_be(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = _Passes()

    def counted(text: bytes, *, validate: bool) -> bytes:
        passes.note("decoded", text)
        return b64decode(text, validate=validate)

    monkeypatch.setattr(hashlib, "sha256", _counting_hash(passes))
    monkeypatch.setattr(attachment, "b64decode", counted)
    content = PDF + bytes(SIZE - len(PDF))

    sent = await town.send("15", files=(("15.pdf", content),))
    await town.carry()

    assert {work: times / SIZE for work, times in passes.items()} == {
        "hashed": pytest.approx(MOST_HASHED, abs=0.1),
        "decoded": pytest.approx(MOST_DECODED, abs=0.1),
    }
    assert (await town.delivery(sent)).state == "delivered"
    assert await town.read(await town.only(PROVINCE)) == content
