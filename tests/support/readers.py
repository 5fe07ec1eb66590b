"""This module holds the readers of native files (F13) against each other: whatever one says of any bytes, the others
must say, to the last field. They are the stream of expat, and the reader tag by tag beside the tree of libxml2. They are
compared before the digests are judged, so that an unsigned file is compared as well."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple
from xml.parsers import expat

from lxml import etree

from gateway.edxml import canonical, schema
from gateway.edxml.names import DECLARATION
from gateway.edxml.policy import EnvelopeLimits, XmlPolicy
from gateway.edxml.scan import EnvelopeScan, NotMine
from gateway.errors import InvalidEnvelope


class Reading(NamedTuple):
    """All that a reader says of a file."""

    parsed: canonical.Fast
    properties_digest: bytes


def both(raw: bytes, limits: EnvelopeLimits | None = None) -> Reading | None:
    """Return the reading of both readers, which must agree; None: not a native file."""
    limits = limits or EnvelopeLimits()
    streamed, closed = (_streamed(raw, limits, opens=opens) for opens in (True, False))
    assert _read_tree(raw, limits, opens=True) == streamed, "the two readers differ"
    assert _read_tree(raw, limits, opens=False) == closed, "the two readers differ about closed files"
    _read_in_pieces(raw, XmlPolicy(limits=limits))
    return streamed


def fast(raw: bytes, policy: XmlPolicy, piece: int = 1 << 18) -> canonical.Fast | None:
    """Return the reading of the fast path, with which the other reader must agree."""
    pieces: Sequence[bytes] = [raw[at : at + piece] for at in range(0, len(raw), piece)]
    parsed = canonical.read_fast(pieces, len(raw), policy)
    if canonical.is_small(len(raw), policy.limits):
        large = canonical.read_large(pieces, len(raw), policy)
        assert large == parsed, "the two readers differ"
        assert _tree(large) == _tree(parsed), "the schema would judge different trees"
        closed = canonical.read_small(pieces, len(raw), policy, opens=False)
        assert canonical.read_closed(lambda: pieces, len(raw), policy) == closed, (
            "the reader of pieces differs"
        )
        assert canonical.read_large(pieces, len(raw), policy, opens=False) == closed, "the two readers differ"
    return parsed


def _read_in_pieces(raw: bytes, policy: XmlPolicy) -> None:
    """Check that the reader that holds the rest of the file says the same as the reader of the stream, however the file is
    cut."""
    large = canonical.read_large([raw], len(raw), policy, opens=False)
    pieces = [raw[at : at + 1021] for at in range(0, len(raw), 1021)]
    assert canonical.read_closed(lambda: pieces, len(raw), policy) == large, "the reader of pieces differs"


def _tree(parsed: canonical.Fast | None) -> bytes | None:
    return None if parsed is None or parsed.tree is None else etree.tostring(parsed.tree, method="c14n")


def _streamed(raw: bytes, limits: EnvelopeLimits, *, opens: bool) -> Reading | None:
    scan = EnvelopeScan(limits, opens=opens)
    try:
        if not raw.startswith(DECLARATION):
            return None
        scan.feed(raw[len(DECLARATION) :])
        parts = scan.finish(len(raw))
        read = scan.builder.finish()
    except (NotMine, expat.ExpatError, UnicodeError, InvalidEnvelope):
        return None
    parsed = canonical.Fast(
        envelope=read.envelope,
        files=read.files,
        findings=read.findings,
        body_digest=scan.body_digest,
        file_digest=scan.file_digest,
        size=len(raw),
        signature=parts,
        a=scan.a,
        b=scan.b,
    )
    return Reading(parsed, sha256(parts.signed_properties).digest())


def _read_tree(raw: bytes, limits: EnvelopeLimits, *, opens: bool) -> Reading | None:
    try:
        reading = Reading(*canonical.read_tree(raw, limits, opens=opens))
    except (NotMine, UnicodeError, InvalidEnvelope):
        return None
    form = schema.check(schema.skeleton([raw], limits))
    assert reading.parsed.tree is not None
    assert schema.holds(reading.parsed.tree) is (form is None), "the schema says two things"
    return reading
