"""The general path beyond the vectors of tests/hostile: what policy lets one named sender do (G3, G4, G7), and that
the library is asked in the end (G6)."""

from __future__ import annotations

from base64 import b64encode
from datetime import timedelta
from hashlib import sha1, sha256

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from lxml import etree
from signxml.xades.xades import XAdESVerifier

from gateway.edxml import general, names, safe_xml
from gateway.edxml.policy import EnvelopeLimits, XmlPolicy
from gateway.edxml.verify import examine
from gateway.errors import BadSignature, InvalidEnvelope
from tests.hostile import forge
from tests.hostile.forge import AT, SIGNER, swap
from tests.support import envelopes

NATIVE = envelopes.native()
FOREIGN = XmlPolicy(own_axis=False)
C14N_10 = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"


def _judge(raw: bytes, policy: XmlPolicy) -> general.General:
    return general.judge(raw, policy, lambda code: [envelopes.binding(SIGNER)], AT)


def _code(raw: bytes, policy: XmlPolicy) -> str:
    with pytest.raises(InvalidEnvelope) as error:
        _judge(raw, policy)
    return error.value.code


def _simple(method: str, digest: str, c14n: str, transforms: list[str]) -> bytes:
    """An envelope as an old system signs: the one whole-document reference, no signed properties."""
    head, _, tail = forge.split(NATIVE)
    body = general.canonical_octets(etree.fromstring(head + tail), exclusive=names.EXC_C14N in transforms)
    hashed = sha1(body, usedforsecurity=False) if digest.endswith("#sha1") else sha256(body)
    steps = "".join(f'<ds:Transform Algorithm="{uri}"></ds:Transform>' for uri in transforms)
    info = (
        f'<ds:SignedInfo xmlns:ds="{names.DS}"><ds:CanonicalizationMethod Algorithm="{c14n}">'
        f'</ds:CanonicalizationMethod><ds:SignatureMethod Algorithm="{method}"></ds:SignatureMethod>'
        f'<ds:Reference URI=""><ds:Transforms>{steps}</ds:Transforms>'
        f'<ds:DigestMethod Algorithm="{digest}"></ds:DigestMethod>'
        f"<ds:DigestValue>{b64encode(hashed.digest()).decode()}</ds:DigestValue></ds:Reference></ds:SignedInfo>"
    )
    unsigned = f'<ds:Signature xmlns:ds="{names.DS}">{info}'.encode()
    in_place = etree.fromstring(head + unsigned + b"</ds:Signature>" + tail)
    signed_info = next(in_place.iter(f"{{{names.DS}}}SignedInfo"))
    value = _value(general.canonical_octets(signed_info, exclusive=c14n == names.EXC_C14N), method)
    certificate = b64encode(SIGNER.certificate_der)
    key_info = b"<ds:KeyInfo><ds:X509Data><ds:X509Certificate>" + certificate
    key_info += b"</ds:X509Certificate></ds:X509Data></ds:KeyInfo></ds:Signature>"
    return head + unsigned + b"<ds:SignatureValue>" + value + b"</ds:SignatureValue>" + key_info + tail


def _value(raw: bytes, method: str) -> bytes:
    assert isinstance(SIGNER.private_key, rsa.RSAPrivateKey)
    digest = hashes.SHA1() if method.endswith("#rsa-sha1") else hashes.SHA256()  # noqa: S303 - what old systems do
    return b64encode(SIGNER.private_key.sign(raw, padding.PKCS1v15(), digest))


MODERN = _simple(names.RSA_SHA256, names.SHA256_URI, names.EXC_C14N, [names.ENVELOPED, names.EXC_C14N])
LEGACY = _simple(
    "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
    "http://www.w3.org/2000/09/xmldsig#sha1",
    C14N_10,
    [names.ENVELOPED],
)


def test_g3_g7_one_reference_alone_and_legacy_algorithms_need_a_policy_and_are_weak() -> None:
    permitted = XmlPolicy(own_axis=False, allow_single_reference=True)

    assert _code(MODERN, FOREIGN) == "SIG-STRUCTURE"
    judged = _judge(MODERN, permitted)
    assert judged.shape.weak
    assert judged.shape.properties is None
    assert judged.read.envelope == envelopes.document()

    permitted = XmlPolicy(own_axis=False, allow_single_reference=True, allow_legacy=True)
    assert _code(LEGACY, XmlPolicy(own_axis=False, allow_single_reference=True)) == "SIG-ALGORITHM"
    assert _code(swap(b"<edXML:Subject>V", b"<edXML:Subject>W")(LEGACY), permitted) == "SIG-DIGEST"
    signed = examine(forge.source(LEGACY), policy=permitted, bindings=forge.bindings(SIGNER), at=AT).signed
    assert (signed.weak, signed.receipt, signed.signing_time) == (True, None, None)
    assert signed.body_digest == sha256(general.canonical_body(forge.tree(NATIVE))).hexdigest()


def test_12_2_12_11_a_foreign_axis_needs_no_qualifier_and_its_unsigned_properties_are_a_finding() -> None:
    start, end = NATIVE.index(b"<xades:CommitmentTypeIndication>"), NATIVE.index(b"</xades:SignedDataObject")
    bare = forge.resign(NATIVE[:start] + NATIVE[end:], NATIVE)
    unsigned = b"<xades:UnsignedProperties></xades:UnsignedProperties></xades:QualifyingProperties>"
    more = swap(b"</xades:QualifyingProperties>", unsigned)(NATIVE)
    without, with_more = (
        examine(forge.source(raw), policy=FOREIGN, bindings=forge.bindings(SIGNER), at=AT).signed
        for raw in (bare, more)
    )
    assert without.packet_id is None
    assert forge.judge(bare).code == "MSG-ID"
    assert "UNSIGNED-PROPERTIES" in [finding.code for finding in with_more.findings]
    assert forge.judge(more).code == "SIG-STRUCTURE"


def test_g6_a_certificate_out_of_its_validity_is_left_to_step_9() -> None:
    """The library would refuse by its own clock; the code of that is CERT-TIME, and `policy.trust` says it."""
    raw = NATIVE + b"\n"

    judged = general.judge(
        raw, XmlPolicy(), lambda code: [envelopes.binding(SIGNER)], AT + timedelta(days=20 * 365)
    )

    assert judged.canonical


def test_g6_the_library_must_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for a library that finds a fault we do not know: its word ends the matter."""

    def refuse(self: object, *args: object, **kwargs: object) -> None:
        raise TypeError("a fault of tomorrow")

    monkeypatch.setattr(XAdESVerifier, "verify", refuse)

    with pytest.raises(BadSignature) as error:
        _judge(NATIVE, XmlPolicy())
    assert error.value.code == "SIG-VALUE"


def test_g6_the_library_must_have_signed_what_we_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The octets it returns are compared with those the model came from."""
    real = XAdESVerifier.verify

    def other(self: XAdESVerifier, *args: object, **kwargs: object) -> object:
        return list(reversed(real(self, *args, **kwargs)))  # type: ignore[arg-type]  # passed through

    monkeypatch.setattr(XAdESVerifier, "verify", other)

    assert _code(NATIVE, XmlPolicy()) == "SIG-STRUCTURE"


def test_g2_a_tree_comes_only_from_what_both_parsers_take() -> None:
    root = safe_xml.parse(NATIVE, EnvelopeLimits())

    assert root.tag == f"{{{names.QCVN}}}edXML"
    assert general.check_structure(root, XmlPolicy()).method == "rsa-sha256"


def test_g2_every_limit_of_the_fast_path_holds_here_too() -> None:
    for limits in (
        EnvelopeLimits(signature_bytes=3000),
        EnvelopeLimits(attachments=1),
        EnvelopeLimits(recipients=1),
        EnvelopeLimits(text_bytes=30),
        EnvelopeLimits(text_total=300),
        EnvelopeLimits(name_bytes=80),
        EnvelopeLimits(general_depth=9),
    ):
        assert _code(NATIVE, XmlPolicy(limits=limits)) == "ENV-LIMIT", limits
