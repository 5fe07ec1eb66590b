"""What fuzzing found, told in words: each was an exception of a library, or two answers to one question."""

from __future__ import annotations

import base64
import io
import re
from datetime import UTC, datetime

import pytest

from gateway.domain.signatures import SignatureWord
from gateway.edxml.key import bound_key_fault
from gateway.edxml.policy import XmlPolicy
from gateway.ops import explain
from gateway.policy import admission, pdf_verdict
from gateway.trust import revocation
from gateway.trust.evidence import NodeTrust
from gateway.trust.pdf_signatures import child
from gateway.trust.pdf_signatures.child import PdfTrust
from tests.fuzz import target
from tests.support import envelopes, pki

AT = datetime(2031, 3, 4, tzinfo=UTC)
_VERSION_3, _VERSION_123 = b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x7a"


def of_no_version(der: bytes) -> bytes:
    """The certificate with a version that there is not: the library has an error of its own for that, no ValueError."""
    assert der.count(_VERSION_3) == 1
    return der.replace(_VERSION_3, _VERSION_123)


def test_an_envelope_with_a_certificate_of_no_known_version_is_explained() -> None:
    signer = pki.signer(kind="p256")
    odd = of_no_version(signer.certificate_der)
    native = envelopes.native(envelopes.document(()), (), signer=signer)
    envelope = native.replace(base64.b64encode(signer.certificate_der), base64.b64encode(odd))

    explanation = explain.explain_pieces([envelope])

    assert envelope != native
    assert explanation["signature"]["verdict"] == "placeholder"
    assert explanation["signature"]["subject"] is None


def of_no_name(der: bytes) -> bytes:
    """The certificate with a name of a kind that the library reads only when asked, to raise a TypeError then."""
    name = b"\x06\x03\x55\x04\x03\x0c"
    assert name in der
    return der.replace(name, name[:-1] + b"\x03")


def test_an_envelope_with_a_certificate_of_an_unreadable_name_is_explained() -> None:
    signer = pki.signer(kind="p256")
    native = envelopes.native(envelopes.document(()), (), signer=signer)
    odd = base64.b64encode(of_no_name(signer.certificate_der))
    explanation = explain.explain_pieces([native.replace(base64.b64encode(signer.certificate_der), odd)])

    assert explanation["signature"]["subject"] is None
    assert NodeTrust(anchors=[]).collect(of_no_name(signer.certificate_der), AT).chain_code == "CERT-CHAIN"


def test_a_bound_certificate_of_no_known_version_is_weak_and_has_no_chain() -> None:
    odd = of_no_version(pki.signer(kind="p256").certificate_der)

    assert bound_key_fault(odd, XmlPolicy()) == "SIG-WEAK"
    assert NodeTrust(anchors=[pki.root().certificate]).collect(odd, AT).chain_code == "CERT-CHAIN"


def test_a_revocation_list_that_the_library_cannot_name_is_no_list() -> None:
    for name in ("list-of-version-122", "list-of-an-issuer-in-bits"):
        with pytest.raises(ValueError, match=r"version|oid"):
            revocation.read_list((target.CORPUS / "revocation" / name).read_bytes())


def test_a_pdf_whose_table_of_objects_cannot_be_unpacked_is_a_fact_about_it() -> None:
    (pdf,) = [path for path in target.kept_inputs("signature") if "cross-reference" in path.name]

    facts = child.collect(io.BytesIO(pdf.read_bytes()), PdfTrust(), AT, AT)

    assert facts.fault is not None
    assert re.fullmatch(r"PDF-[A-Z]+", facts.fault)
    assert pdf_verdict.judge("a.pdf", 1, facts).verdict is not SignatureWord.VALID


def test_a_name_of_nothing_but_refused_signs_is_cleaned_once_and_for_all() -> None:
    for name in ('"', "??.", "<>", '"\0'):
        assert admission.clean_name(name) == admission.clean_name(admission.clean_name(name)) == "file"
