"""Every byte of a small file changed (verification.md section 10, group 8): refused, or the same document by the same
signer. The fast path takes none of them. Where the general path takes one, the byte is on a short list: it stands
between the signed words, where the canonical form says nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.hostile import forge
from tests.support import envelopes, pki

SIGNER = pki.signer(envelopes.SENDER, "p256")
BOUND = envelopes.binding(SIGNER)
STATUS = envelopes.native(
    envelopes.status(sender=envelopes.SENDER, subject=envelopes.RECEIVER),
    signer=SIGNER,
    receipt=envelopes.receipt(),
)
DOCUMENT = envelopes.native(files=envelopes.TWO_FILES[:1], signer=SIGNER)


def _places_without_meaning(data: bytes) -> set[int]:
    """White space inside tags, the line feed after the declaration, and the case of the encoding's name."""
    in_tags = {
        tag.start() + space.start()
        for tag in re.finditer(rb"<[^>]*>", data)
        for space in re.finditer(rb" ", tag.group())
    }
    name = data.index(b"UTF-8")
    return in_tags | {data.index(b"\n"), *range(name, name + 3)}


def _changes(data: bytes, values: int) -> Iterator[tuple[int, bytes]]:
    for place, old in enumerate(data):
        for new in dict.fromkeys((old ^ 0x20, 0x0A, old ^ 1, 0x20)[:values]):
            if new != old:
                yield place, data[:place] + bytes([new]) + data[place + 1 :]


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("native", "values"), [(STATUS, 3), (DOCUMENT, 1)], ids=["status", "document"])
def test_any_changed_byte_is_refused_or_changes_nothing_that_was_signed(native: bytes, values: int) -> None:
    good, silent, harmless = forge.slow(native, [BOUND]), _places_without_meaning(native), set()
    assert good is not None
    assert forge.fast(native, [BOUND]) is not None

    for place, data in _changes(native, values):
        assert forge.fast(data, [BOUND]) is None, f"byte {place}: a second file passes the fast path"
        verdict = forge.slow(data, [BOUND])
        if verdict is None:
            continue
        harmless.add(place)
        assert place in silent, f"byte {place} may not change"
        assert verdict.read.envelope == good.read.envelope
        assert verdict.read.files == good.read.files
        assert verdict.body_digest == good.body_digest
        assert verdict.canonical == good.canonical
        assert verdict.binding == good.binding
        assert verdict.shape.properties is not None
        assert good.shape.properties is not None
        assert verdict.shape.properties.qualifier == good.shape.properties.qualifier
        assert verdict.shape.properties.signing_time == good.shape.properties.signing_time

    assert harmless, "the list of such places is not empty: white space in tags is one"


@pytest.mark.timeout(900)
def test_any_byte_left_out_or_doubled_is_refused_or_changes_nothing_that_was_signed() -> None:
    good, silent = forge.slow(STATUS, [BOUND]), _places_without_meaning(STATUS)
    assert good is not None

    for place, _ in _changes(STATUS, 1):
        for data in (STATUS[:place] + STATUS[place + 1 :], STATUS[: place + 1] + STATUS[place:]):
            assert forge.fast(data, [BOUND]) is None, f"byte {place}: a second file passes the fast path"
            verdict = forge.slow(data, [BOUND])
            if verdict is not None:
                assert place in silent, f"byte {place} may not change"
                assert (verdict.read.envelope, verdict.canonical) == (good.read.envelope, good.canonical)
