"""Envelopes on both paths. `envelope`: anybody's bytes; `owner`: the same, signed anew by the owner of the key, so that
what the paths say of unusual files is compared and not only that the digest is wrong."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress

from lxml import etree

from gateway.domain.identity import Digest
from gateway.edxml.signature import sign_body
from tests.fuzz.target import Target
from tests.hostile import forge
from tests.support import envelopes, pki

_SIGNERS = [pki.signer(code, "p256") for code in (envelopes.SENDER, envelopes.RECEIVER)]
_BOUND = [envelopes.binding(s) for s in _SIGNERS]
_END = b"</edXML:edXMLHeader>"
_LINE = b'<?xml version="1.0" encoding="UTF-8"?>\n'


def _natives() -> Iterator[bytes]:
    for _, envelope, files, receipt in envelopes.every_kind():
        signer = next(s for s in _SIGNERS if s.agency_code == envelope.sender.organ_id)
        yield envelopes.native(envelope, files, signer=signer, receipt=receipt)


_GOOD = frozenset(_natives())


def anybody(data: bytes) -> None:
    """Without a key nobody makes a second file that passes as native, and no other body passes at all."""
    fast, slow = forge.agreed(data, _BOUND)
    assert fast is None or data in _GOOD, "a second file passes the fast path"
    assert slow is None or slow.body_digest in _DIGESTS, "a body that nobody signed passes"


def _digest(native: bytes) -> Digest:
    head, _, tail = envelopes.split(native)
    return Digest(hashlib.sha256(head + tail).hexdigest())


_DIGESTS = frozenset(map(_digest, _GOOD))


def owner(data: bytes) -> None:
    """Check that without the key no second file passes as native, and no other body at all."""
    if _END not in data:
        return
    head, tail = data.split(_END, 1)
    tail = _END + tail
    digest = hashlib.sha256(head.removeprefix(_LINE) + tail)
    with suppress(etree.XMLSyntaxError, etree.C14NError, ValueError):
        digest = hashlib.sha256(_exclusive(head + tail))
    signer = next((s for s in _SIGNERS if s.agency_code.encode() in head), _SIGNERS[0])
    qualifier = envelopes.qualifier(envelopes.document(()))
    signature = sign_body(Digest(digest.hexdigest()), signer, qualifier, envelopes.SIGNED_AT)
    forge.agreed(head + signature + tail, _BOUND)


def _exclusive(data: bytes) -> bytes:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    octets = etree.tostring(
        etree.fromstring(data, parser), method="c14n", exclusive=True, with_comments=False
    )
    return bytes(octets)


def _unsigned() -> Iterator[bytes]:
    for native in sorted(_GOOD):
        head, _, tail = envelopes.split(native)
        yield _LINE + head + tail


TARGETS = (
    Target(name="envelope", run=anybody, seeds=lambda: sorted(_GOOD)),
    Target(name="owner", run=owner, seeds=_unsigned),
)
