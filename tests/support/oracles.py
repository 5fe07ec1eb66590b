"""Other people's opinions of a file: lxml's canonical form, and the verdicts of xmlsec and signxml. Used only to
judge what ours wrote or accepted; nothing here shares code with the gateway."""

from __future__ import annotations

from datetime import UTC, datetime

import xmlsec
from cryptography import x509
from lxml import etree
from signxml.algorithms import DigestAlgorithm, SignatureMethod
from signxml.exceptions import InvalidInput, InvalidSignature
from signxml.verifier import SignatureConfiguration
from signxml.xades.xades import XAdESVerifier

DS = "{http://www.w3.org/2000/09/xmldsig#}"
DECLARATION_LENGTH = 39
AT = datetime(2031, 3, 4, 3, 0, tzinfo=UTC)


def tree(raw: bytes) -> etree._Element:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True)
    return etree.fromstring(raw, parser)


def canonical_form(raw: bytes) -> bytes:
    """Exclusive canonical form of the whole document, without comments."""
    return bytes(etree.tostring(tree(raw), method="c14n", exclusive=True, with_comments=False))


def apex_form(raw: bytes, name: str) -> bytes:
    """Exclusive canonical form of the one element of that name, as apex."""
    (element,) = tree(raw).iter(name)
    return bytes(etree.tostring(element, method="c14n", exclusive=True, with_comments=False))


def body_form(raw: bytes) -> bytes:
    """C: the canonical form without the Signature."""
    root = tree(raw)
    for signature in list(root.iter(f"{DS}Signature")):
        parent = signature.getparent()
        assert parent is not None
        assert not signature.tail
        parent.remove(signature)
    return bytes(etree.tostring(root, method="c14n", exclusive=True, with_comments=False))


def xmlsec_says_valid(raw: bytes, certificate_der: bytes) -> bool:
    root = tree(raw)
    xmlsec.tree.add_ids(root, ["Id"])
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(certificate_der, xmlsec.constants.KeyDataFormatCertDer)
    try:
        context.verify(next(root.iter(f"{DS}Signature")))
    except xmlsec.Error:
        return False
    return True


def signxml_says_valid(raw: bytes, certificate_der: bytes) -> bool:
    """The XAdES verifier, with the certificate pinned and the two references expected."""
    config = SignatureConfiguration(
        expect_references=2,
        signature_methods=frozenset(
            {SignatureMethod.RSA_SHA256, SignatureMethod.ECDSA_SHA256, SignatureMethod.ECDSA_SHA384}
        ),
        digest_algorithms=frozenset({DigestAlgorithm.SHA256}),
        verification_time=AT,
    )
    certificate = x509.load_der_x509_certificate(certificate_der)
    try:
        results = XAdESVerifier().verify(tree(raw), x509_cert=certificate, expect_config=config)
    except (InvalidSignature, InvalidInput):
        return False
    return len(results) == 2
