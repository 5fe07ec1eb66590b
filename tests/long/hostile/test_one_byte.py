"""Every byte of a small file changed (verification.md section 10, group 8): refused, or the same document by the same
signer. The fast path takes none of them. Where the general path takes one, the byte is on a short list: it stands
between the signed words, where the canonical form says nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from gateway.edxml import canonical, general, key
from gateway.edxml.policy import XmlPolicy
from gateway.errors import InvalidEnvelope
from tests.hostile import forge
from tests.support import envelopes, pki

POLICY = XmlPolicy()
SIGNER = pki.signer(envelopes.SENDER, "p256")
BOUND = envelopes.binding(SIGNER)
STATUS = envelopes.native(
    envelopes.status(sender=envelopes.SENDER, about=envelopes.RECEIVER),
    signer=SIGNER,
    of=envelopes.receipt(),
)
DOCUMENT = envelopes.native(files=envelopes.TWO_FILES[:1], signer=SIGNER)
PARTS = 4
"""Each sample is walked in so many tests, so that a failure says roughly where."""


def _fast(data: bytes) -> canonical.Fast | None:
    found = canonical.read_fast([data], len(data), POLICY)
    return found if found is not None and canonical.check_key(found, [BOUND], POLICY) is not None else None


def _general(data: bytes) -> general.General | None:
    try:
        return general.judge(
            data, POLICY, lambda code: key.active_bindings(code, [BOUND], forge.AT), forge.AT
        )
    except InvalidEnvelope:
        return None


def _places_without_meaning(data: bytes) -> set[int]:
    """White space inside tags, the line feed after the declaration, and the case of the encoding's name."""
    in_tags = {
        tag.start() + space.start()
        for tag in re.finditer(rb"<[^>]*>", data)
        for space in re.finditer(rb" ", tag.group())
    }
    name = data.index(b"UTF-8")
    return in_tags | {data.index(b"\n"), *range(name, name + 3)}


def _changes(data: bytes, part: int, values: int) -> Iterator[tuple[int, bytes]]:
    size = -(-len(data) // PARTS)
    for place in range(part * size, min((part + 1) * size, len(data))):
        old = data[place]
        for new in dict.fromkeys((old ^ 0x20, 0x0A, old ^ 1, 0x20)[:values]):
            if new != old:
                yield place, data[:place] + bytes([new]) + data[place + 1 :]


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize(("native", "values"), [(STATUS, 3), (DOCUMENT, 1)], ids=["status", "document"])
def test_any_changed_byte_is_refused_or_changes_nothing_that_was_signed(
    native: bytes, values: int, part: int
) -> None:
    good, silent, taken = _general(native), _places_without_meaning(native), set()
    assert good is not None
    assert _fast(native) is not None

    for place, data in _changes(native, part, values):
        assert _fast(data) is None, f"byte {place}: a second file passes the fast path"
        found = _general(data)
        if found is None:
            continue
        taken.add(place)
        assert place in silent, f"byte {place} may not change"
        assert found.read.envelope == good.read.envelope
        assert found.read.files == good.read.files
        assert found.body_digest == good.body_digest
        assert found.canonical == good.canonical
        assert found.binding == good.binding
        assert found.shape.properties is not None
        assert good.shape.properties is not None
        assert found.shape.properties.qualifier == good.shape.properties.qualifier
        assert found.shape.properties.signing_time == good.shape.properties.signing_time

    if part == 0:
        assert taken, "the list of such places is not empty: white space in tags is one"


@pytest.mark.parametrize("part", range(PARTS))
def test_any_byte_left_out_or_doubled_is_refused_or_changes_nothing_that_was_signed(part: int) -> None:
    good, silent = _general(STATUS), _places_without_meaning(STATUS)
    assert good is not None

    for place, _ in _changes(STATUS, part, 1):
        for data in (STATUS[:place] + STATUS[place + 1 :], STATUS[: place + 1] + STATUS[place:]):
            assert _fast(data) is None, f"byte {place}: a second file passes the fast path"
            found = _general(data)
            if found is not None:
                assert place in silent, f"byte {place} may not change"
                assert (found.read.envelope, found.canonical) == (good.read.envelope, good.canonical)
