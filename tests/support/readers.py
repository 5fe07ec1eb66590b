"""The two readers of native files (F13), held together: what the one says of any bytes, the other must say, to the last
field. Compared before the digests are judged, so that a file that nobody signed is compared as well."""

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


class Said(NamedTuple):
    """All that a reader says of a file."""

    found: canonical.Fast
    properties_digest: bytes


def both(raw: bytes, limits: EnvelopeLimits | None = None) -> Said | None:
    """What both say, which is the same; None: not mine."""
    limits = limits or EnvelopeLimits()
    streamed, closed = (_streamed(raw, limits, opens=opens) for opens in (True, False))
    assert _held(raw, limits, opens=True) == streamed, "the two readers differ"
    assert _held(raw, limits, opens=False) == closed, "the two readers differ about closed files"
    return streamed


def fast(raw: bytes, policy: XmlPolicy, piece: int = 1 << 18) -> canonical.Fast | None:
    """What the fast path says, which the other reader says as well."""
    pieces: Sequence[bytes] = [raw[at : at + piece] for at in range(0, len(raw), piece)]
    found = canonical.read_fast(pieces, len(raw), policy)
    if canonical.is_small(len(raw), policy.limits):
        large = canonical.read_large(pieces, len(raw), policy)
        assert large == found, "the two readers differ"
        assert _tree(large) == _tree(found), "the schema would judge different trees"
    return found


def _tree(found: canonical.Fast | None) -> bytes | None:
    return None if found is None or found.tree is None else etree.tostring(found.tree, method="c14n")


def _streamed(raw: bytes, limits: EnvelopeLimits, *, opens: bool) -> Said | None:
    scan = EnvelopeScan(limits, opens=opens)
    try:
        if not raw.startswith(DECLARATION):
            return None
        scan.feed(raw[len(DECLARATION) :])
        parts = scan.finish(len(raw))
        read = scan.builder.finish()
    except (NotMine, expat.ExpatError, UnicodeError, InvalidEnvelope):
        return None
    found = canonical.Fast(
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
    return Said(found, sha256(parts.signed_properties).digest())


def _held(raw: bytes, limits: EnvelopeLimits, *, opens: bool) -> Said | None:
    try:
        said = Said(*canonical.read_tree(raw, limits, opens=opens))
    except (NotMine, UnicodeError, InvalidEnvelope):
        return None
    form = schema.check(schema.skeleton([raw], limits))
    assert said.found.tree is not None
    assert schema.holds(said.found.tree) is (form is None), "the schema says two things"
    return said
