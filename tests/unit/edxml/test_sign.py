"""The Signature of a native envelope (W5-W8): its one shape, its known length, and that other verifiers take it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone

import pytest

from gateway.domain.document import Kind
from gateway.domain.identity import Digest, PacketId
from gateway.domain.proof import Receipt
from gateway.edxml import names
from gateway.edxml.key import bound_key_fault, value_fault
from gateway.edxml.policy import XmlPolicy
from gateway.edxml.signature import (
    Qualifier,
    SignatureParts,
    Unsigned,
    parse,
    render,
    sign_body,
    written_qualifier,
)
from gateway.errors import BreaksRule, Misconfigured
from tests.support import envelopes, oracles, pki
from tests.support.cases import Cases

DIGEST = Digest("5a" * 32)
DOCUMENT = Qualifier(packet_id=envelopes.PACKET_ID, kind=Kind.DOCUMENT)
ANSWER = Qualifier(packet_id=envelopes.PACKET_ID, kind=Kind.STATUS, receipt=envelopes.receipt())
XADES = "{http://uri.etsi.org/01903/v1.3.2#}"


def sign(qualifier: Qualifier = DOCUMENT, kind: str = "p256") -> SignatureParts:
    parts = parse(sign_body(DIGEST, pki.signer(kind=kind), qualifier, envelopes.SIGNED_AT))
    assert parts is not None
    return parts


def test_w5_the_length_is_known_before_there_is_a_digest_and_the_time_is_in_utc_and_whole_seconds() -> None:
    for kind in pki.SOUND:
        for q in (DOCUMENT, ANSWER):
            signer = pki.signer(kind=kind)
            raw = sign_body(DIGEST, signer, q, envelopes.SIGNED_AT)
            assert len(raw) == Unsigned(signer, written_qualifier(q), envelopes.SIGNED_AT).size, (kind, q)

    local = envelopes.SIGNED_AT.astimezone(timezone(timedelta(hours=7))) + timedelta(microseconds=5)
    raw = sign_body(DIGEST, pki.signer(kind="p256"), DOCUMENT, local)
    assert b"<xades:SigningTime>2031-03-04T02:15:00Z</xades:SigningTime>" in raw

    parts = sign(ANSWER)
    assert parse(render(parts)) == parts


def test_w5_what_was_signed_is_read_back() -> None:
    signer = pki.signer(kind="p256")
    parts = sign(ANSWER)
    assert (parts.algorithm, parts.body_digest) == ("ecdsa-sha256", DIGEST)
    assert (parts.signing_time, parts.packet_id, parts.kind) == (
        envelopes.SIGNED_AT,
        envelopes.PACKET_ID,
        Kind.STATUS,
    )
    assert (parts.certificate_der, parts.receipt) == (signer.certificate_der, envelopes.receipt())


def test_w6_w7_both_apex_forms_are_those_of_libxml2_and_the_commitment_says_whether_there_is_a_receipt() -> (
    None
):
    for qualifier, commitment in ((DOCUMENT, names.PROOF_OF_ORIGIN), (ANSWER, names.PROOF_OF_RECEIPT)):
        raw = sign_body(DIGEST, pki.signer(kind="p256"), qualifier, envelopes.SIGNED_AT)
        parts = parse(raw)
        assert parts is not None
        assert parts.signed_properties == oracles.apex_form(raw, f"{XADES}SignedProperties")
        assert parts.signed_info == oracles.apex_form(raw, f"{oracles.DS}SignedInfo")
        assert raw == oracles.canonical_form(raw)
        assert f"<xades:Identifier>{commitment}</xades:Identifier>".encode() in raw


def test_r2_a_receipt_for_an_unsigned_envelope_has_no_body_digest() -> None:
    bare = Receipt(
        of_packet_id=None,
        of_document_id=None,
        of_sender=None,
        body_digest=None,
        file_digest=None,
        size=None,
        received_at=None,
        status_code="01",
        verdict="axis",
    )
    assert sign(replace(ANSWER, receipt=bare)).receipt == bare


def test_w8_values_have_their_fixed_length_and_a_signer_that_does_not_do_what_it_says_is_named() -> None:
    for kind in pki.SOUND:
        assert _fault(sign(kind=kind), policy=XmlPolicy(allow_p384=True)) is None, kind
    assert _fault(replace(sign(), body_digest=Digest("5b" * 32))) == "SIG-VALUE"

    for odd in (_OddSigner(), _OddSigner(algorithm="rsa-sha1")):
        with pytest.raises(Misconfigured, match="Z91"):
            sign_body(DIGEST, odd, DOCUMENT, envelopes.SIGNED_AT)


def test_f11_values_other_than_low_s_raw_or_below_the_modulus_are_refused() -> None:
    parts = sign()
    r, s, order = parts.value[:32], parts.value[32:], pki.ORDERS["secp256r1"]
    high = r + (order - int.from_bytes(s, "big")).to_bytes(32, "big")
    zero = bytes(32)
    for value in (high, zero + s, r + zero, b"\0" + parts.value, parts.value[:-1], b"", parts.value + b"\0"):
        assert _fault(replace(parts, value=value)) == "SIG-VALUE"
    assert _fault(replace(parts, value=high), native=False) is None

    parts = sign(kind="rsa-2048")
    for value in (parts.value[1:], b"\0" + parts.value, b"\xff" * 256, bytes(256), b""):
        assert _fault(replace(parts, value=value)) == "SIG-VALUE"


def test_f11_a_bound_key_off_w8_is_weak_and_p384_counts_only_when_policy_says_so() -> None:
    for kind in ("rsa-1024", "rsa-2048-e3", "p192", "p384"):
        certificate = pki.der(pki.root().issue("Z91", pki.key(kind, "weak")))
        assert bound_key_fault(certificate, XmlPolicy()) == "SIG-WEAK", kind

    parts = sign(kind="p384")
    assert _fault(parts) == "SIG-WEAK"
    assert _fault(parts, policy=XmlPolicy(allow_p384=True)) is None


def test_the_method_must_fit_the_keys_kind() -> None:
    assert _fault(replace(sign(), algorithm="rsa-sha256")) == "SIG-ALGORITHM"
    assert _fault(replace(sign(kind="rsa-2048"), algorithm="ecdsa-sha256")) == "SIG-ALGORITHM"
    both = XmlPolicy(allow_p384=True)
    assert _fault(replace(sign(), algorithm="ecdsa-sha384"), policy=both) == "SIG-ALGORITHM"
    assert bound_key_fault(b"not a certificate", XmlPolicy()) == "SIG-WEAK"


def _fault(parts: SignatureParts, *, policy: XmlPolicy | None = None, native: bool = True) -> str | None:
    policy = policy or XmlPolicy()
    return value_fault(
        parts.certificate_der, parts.algorithm, parts.signed_info, parts.value, policy, native=native
    )


def test_f8_any_other_shape_is_not_native(cases: Cases) -> None:
    raw = sign_body(DIGEST, pki.signer(kind="p256"), ANSWER, envelopes.SIGNED_AT)
    assert parse(raw) is not None
    assert parse(b"<!DOCTYPE x>" + raw) is None
    rows = [
        (b' Id="sig"', b""),
        (b' Id="sig"', b" Id='sig'"),
        (b' Id="sig"', b' Id="sig" Id2="x"'),
        (
            b'xmlns:ds="http://www.w3.org/2000/09/xmldsig#" Id="sig"',
            b'Id="sig" xmlns:ds="http://www.w3.org/2000/09/xmldsig#"',
        ),
        (b'Target="#sig"', b'Target="#other"'),
        (b'URI=""', b'URI="#x"'),
        (b'URI="#sp"', b'URI="##sp"'),
        (b"<ds:KeyInfo>", b"<ds:KeyInfo> "),
        (b"</ds:SignedInfo>", b"</ds:SignedInfo>\n"),
        (b"<ds:SignedInfo>", b"<ds:SignedInfo><!--x-->"),
        (b"enveloped-signature", b"enveloped-signaturf"),
        (b"<ds:SignatureValue>", b"<ds:SignatureValue> "),
        (b"<xades:AllSignedDataObjects></xades:AllSignedDataObjects>", b"<xades:AllSignedDataObjects/>"),
        (b"ProofOfReceipt", b"ProofOfOrigin"),
        (b"<gw:Kind>status", b"<gw:Kind>other"),
        (b"<gw:Kind>status", b"<gw:Kind>edoc"),
        (b"<gw:Size>4711", b"<gw:Size>04711"),
        (b"<gw:Size>4711", b"<gw:Size>-4711"),
        (b"<gw:Size>4711", "<gw:Size>\u0664".encode()),
        (b"<gw:Verdict>valid", b"<gw:Verdict>maybe"),
        (b"<gw:StatusCode>03", b"<gw:StatusCode>13"),
        (b"<gw:OfFrom>000.00.07.Z91", b"<gw:OfFrom>"),
        (b'version="1"', b'version="2"'),
        (b"</ds:KeyInfo>", b"</ds:KeyInfo><ds:KeyInfo></ds:KeyInfo>"),
        (b"</ds:Object>", b"</ds:Object><ds:Object></ds:Object>"),
        (b"T02:15:00Z", b"T02:15:00+00:00"),
        (b"T02:15:00Z", b"T02:15:00.0Z"),
        (b"T02:15:00Z", b"T25:15:00Z"),
    ]
    for old, new in rows:
        with cases.case((old, new)):
            assert old in raw
            assert parse(raw.replace(old, new, 1)) is None


def test_w6_a_qualifier_or_a_time_that_says_something_impossible_is_refused() -> None:
    receipt = envelopes.receipt()
    for wrong in (
        replace(ANSWER, kind=Kind.DOCUMENT),
        replace(ANSWER, receipt=envelopes.receipt("13")),
        replace(ANSWER, receipt=replace(receipt, verdict="perhaps")),
        replace(ANSWER, receipt=replace(receipt, size=-1)),
        replace(ANSWER, receipt=replace(receipt, received_at=datetime(2031, 1, 1))),
        replace(ANSWER, receipt=replace(receipt, of_sender="a\0b")),
        replace(DOCUMENT, packet_id=PacketId("")),
    ):
        with pytest.raises(BreaksRule):
            sign_body(DIGEST, pki.signer(kind="p256"), wrong, envelopes.SIGNED_AT)
    with pytest.raises(BreaksRule):
        sign_body(DIGEST, pki.signer(kind="p256"), DOCUMENT, datetime(2031, 1, 1))


@dataclass(frozen=True, kw_only=True)
class _OddSigner:
    agency_code: str = "Z91"
    certificate_der: bytes = b"x"
    algorithm: str = "ecdsa-sha256"
    signature_length: int = 64
    at_hand: bool = True

    def sign(self, data: bytes) -> bytes:
        return bytes(70)
