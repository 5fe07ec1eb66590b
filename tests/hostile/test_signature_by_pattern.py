"""S is read by a pattern made from the text that is written (F8). What the pattern takes is what libxml2 gives back byte
for byte and the general path reads with the same meaning; and it takes whatever can be written."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from gateway.domain.document import DeliveryMode, Kind, RecipientRole
from gateway.domain.identity import Digest, DocumentId, PacketId
from gateway.domain.proof import Receipt, Terms
from gateway.edxml import general, properties
from gateway.edxml.policy import XmlPolicy
from gateway.edxml.signature import Qualifier, SignatureParts, check_qualifier, parse, render, sign_body
from gateway.errors import BreaksRule
from tests.support import envelopes, oracles, pki, strategies
from tests.support.amounts import examples

BODY = Digest("5a" * 32)


def _signed(kind: Kind, receipt: Receipt | None, terms: Terms | None, key: str = "p256") -> bytes:
    qualifier = Qualifier(packet_id=envelopes.PACKET_ID, kind=kind, receipt=receipt, terms=terms)
    return sign_body(BODY, pki.signer(kind=key), qualifier, envelopes.SIGNED_AT)


SIGNATURES = {
    "document": _signed(Kind.DOCUMENT, None, envelopes.wishes()),
    "recall": _signed(Kind.RECALL, None, None, "rsa-2048"),
    "03": _signed(Kind.STATUS, envelopes.receipt(), envelopes.REGISTERED),
    "13": _signed(Kind.STATUS, None, None),
}


def _parse(raw: bytes) -> SignatureParts | None:
    """Parse by pattern, and check that the other readers agree."""
    parts = parse(raw)
    if parts is None:
        return None
    assert render(parts) == raw
    root = oracles.tree(raw)
    assert etree.tostring(root, method="c14n", exclusive=True, with_comments=False) == raw
    assert parts.signed_info == oracles.apex_form(raw, f"{oracles.DS}SignedInfo")
    element = root[3][0][0]
    assert parts.signed_properties == general.canonical_octets(element)
    other = properties.read_properties(element, XmlPolicy(), unsigned=False)
    assert other.qualifier is not None
    assert (other.signing_time, other.certificate_digest, other.qualifier.packet_id) == (
        parts.signing_time,
        parts.certificate_digest.raw,
        parts.packet_id,
    )
    assert (other.qualifier.kind, other.qualifier.receipt, other.qualifier.terms) == (
        parts.kind,
        parts.receipt,
        parts.terms,
    )
    return parts


@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.long)])
def test_each_byte_changed_left_out_or_doubled(step: int) -> None:
    for raw in SIGNATURES.values():
        for place in range(0, len(raw), step):
            for new in (b"", b" ", b"&", b"\r", raw[place : place + 1] * 2, bytes([raw[place] ^ 0x20])):
                _parse(raw[:place] + new + raw[place + 1 :])


_ODD = (
    *(
        b"&amp;",
        b"&lt;",
        b"&gt;",
        b"&#xD;",
        b"&quot;",
        b"&#x9;",
        b"&#10;",
        b">",
        b'"',
        b"'",
        b"\t",
        b"\n",
        b"\0",
    ),
    *("ế".encode(), b"\x7f", b"\xc2\x85", b"\xef\xbf\xbe", b"\xef\xbf\xbf", b"\xed\xa0\x80", b"\xc0\xaf"),
    *(b"", b"0", b"00", b"=", b"==", b"24:00:00", b"0000", b"13", b"paper", b"<!---->", b"<?x?>"),
    *(b"<![CDATA[x]]>", b'<gw:Recipient Code="a&amp;&quot;b>" Role="to_act"></gw:Recipient>'),
)
_LEAF = re.compile(rb'(?<=[>"])[^<>"]+(?=[<"])')
_TAG = re.compile(rb"<[^<>]*>")
_PIECES = st.sampled_from(
    [
        *_ODD,
        *sorted(
            {text for raw in SIGNATURES.values() for leaf in (_LEAF, _TAG) for text in leaf.findall(raw)}
        ),
    ]
)


@settings(max_examples=examples(300))
@given(data=st.data(), name=st.sampled_from(sorted(SIGNATURES)))
def test_texts_and_pieces_put_in_taken_out_and_moved(data: st.DataObject, name: str) -> None:
    raw = SIGNATURES[name]
    for _ in range(data.draw(st.integers(1, 3))):
        texts = [text.span() for text in _LEAF.finditer(raw)] or [(0, 0)]
        edges = [at for tag in _TAG.finditer(raw) for at in tag.span()] or [0]
        a, b = data.draw(
            st.sampled_from(texts)
            | st.tuples(st.sampled_from(edges), st.sampled_from(edges)).map(lambda span: tuple(sorted(span)))
        )
        piece = data.draw(_PIECES)
        raw = data.draw(
            st.sampled_from([raw[:a] + piece + raw[b:], raw[:b] + piece + raw[b:], raw[:b] + raw[a:]])
        )
        _parse(raw)


_TIMES = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)).map(
    lambda at: at.replace(microsecond=0)
)
_TEXTS = strategies.texts(40)
_DIGESTS = st.none() | st.binary(min_size=32, max_size=32).map(Digest.of_bytes)
_RECEIPTS = st.builds(
    Receipt,
    of_packet_id=st.none() | _TEXTS.map(PacketId),
    of_document_id=st.none() | _TEXTS.map(DocumentId),
    of_sender=st.none() | _TEXTS,
    body_digest=_DIGESTS,
    file_digest=_DIGESTS,
    size=st.none() | st.integers(0, 10**17),
    received_at=st.none() | _TIMES,
    status_code=_TEXTS,
    verdict=st.sampled_from(["valid", "axis"]),
)
_TERMS = st.builds(
    Terms,
    reply_required=st.none() | st.booleans(),
    due_at=st.none() | _TIMES,
    delivery_mode=st.none() | st.sampled_from(DeliveryMode),
    roles=st.lists(st.tuples(_TEXTS, st.sampled_from(RecipientRole)), max_size=3).map(tuple),
    register_no=st.none() | _TEXTS,
    register_year=st.none() | st.integers(0, 9999),
)


@settings(max_examples=examples(200))
@given(
    packet_id=_TEXTS.map(PacketId),
    kind=st.sampled_from(Kind),
    receipt=st.none() | _RECEIPTS,
    terms=st.none() | _TERMS,
    at=_TIMES,
    value=st.binary(min_size=1, max_size=300),
)
def test_every_writable_signature_is_read_back(
    packet_id: PacketId, kind: Kind, receipt: Receipt | None, terms: Terms | None, at: datetime, value: bytes
) -> None:
    parts = SignatureParts(
        algorithm="rsa-sha256",
        body_digest=BODY,
        properties_digest=BODY,
        value=value,
        certificate_der=value[::-1],
        certificate_digest=Digest(sha256(value).hexdigest()),
        signing_time=at,
        packet_id=packet_id,
        kind=kind,
        receipt=receipt,
        terms=terms,
    )
    try:
        check_qualifier(Qualifier(packet_id=packet_id, kind=kind, receipt=receipt, terms=terms))
    except BreaksRule:
        assert _parse(render(parts)) in (None, parts)
    else:
        assert _parse(render(parts)) == parts
