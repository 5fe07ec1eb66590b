"""Owner-signed files that are not in canonical form (threats 5, 6, 11-13, 93; verification.md section 10, group 2).
Signed over the canonical form they are good envelopes for the general path, unless a rule forbids them; signed over
their raw bytes they are never good, whatever the fast path may find (F5: their owner could disown them later, because
every other verifier says invalid). All of them are judged as vectors (tests/vectors). Never a model that C does not
give."""

from __future__ import annotations

from gateway.edxml import general, reader
from gateway.edxml.policy import EnvelopeLimits, XmlPolicy
from gateway.edxml.verify import examine
from tests.hostile import forge
from tests.hostile.forge import Mutation, behind, swap
from tests.support import envelopes

DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'
SUBJECT = b"<edXML:Subject>"
PREFIX = b'xmlns:edXML="http://www.mic.gov.vn/TBT/QCVN_102_2016"'
TYPE, URI = b'Type="http://uri.etsi.org/01903#SignedProperties"', b'URI="#sp"'
GENERAL = "general"

# id, how it is made, the path or code when the owner signs the canonical form
CASES: list[tuple[str, Mutation, str]] = [
    ("93-comment-in-body", swap(b"<edXML:edXMLBody>", b"<edXML:edXMLBody><!-- x -->"), GENERAL),
    ("13-comment-in-subject", swap(SUBJECT, SUBJECT + b"<!-- x -->"), "ENV-FORBIDDEN"),
    ("13-comment-in-code", swap(b">000.00.07.Z91<", b">000.00<!-- -->.07.Z91<"), "ENV-FORBIDDEN"),
    ("93-cdata", swap(SUBJECT + b"V/v", SUBJECT + b"<![CDATA[V/v]]>"), GENERAL),
    ("93-cr", swap(b"<edXML:edXMLBody>", b"\r<edXML:edXMLBody>"), GENERAL),
    ("93-crlf", swap(b"<edXML:edXMLBody>", b"\r\n<edXML:edXMLBody>"), GENERAL),
    ("93-character-reference", swap(b"118</edXML:CodeNumber>", b"&#49;18</edXML:CodeNumber>"), GENERAL),
    ("93-carriage-return-reference", swap(SUBJECT, SUBJECT + b"&#xd;"), GENERAL),
    ("93-single-quotes", swap(b'version="1.0">', b"version='1.0'>"), GENERAL),
    ("93-attribute-order", swap(TYPE + b" " + URI, URI + b" " + TYPE), GENERAL),
    ("93-empty-tag", swap(b'xmlenc#sha256"></ds:DigestMethod>', b'xmlenc#sha256"/>'), GENERAL),
    ("93-space-in-tag", swap(SUBJECT, b"<edXML:Subject >"), GENERAL),
    ("93-space-in-end-tag-of-signature", swap(b"</ds:Signature>", b"</ds:Signature >"), GENERAL),
    ("93-unused-declaration", swap(b"<edXML xmlns=", b'<edXML xmlns:q="urn:q" xmlns='), GENERAL),
    ("93-repeated-declaration", swap(SUBJECT, SUBJECT[:-1] + b" " + PREFIX + b">"), GENERAL),
    ("93-xml-lang", swap(SUBJECT, b'<edXML:Subject xml:lang="vi">'), GENERAL),
    ("06-instruction-in-root", swap(b"<edXML:edXMLBody>", b"<edXML:edXMLBody><?x y?>"), "ENV-FORBIDDEN"),
    ("06-stylesheet-before-root", behind(DECLARATION, b'<?xml-stylesheet href="a"?>'), "ENV-FORBIDDEN"),
    ("11-byte-order-mark", swap(DECLARATION, b"\xef\xbb\xbf" + DECLARATION), GENERAL),
    ("93-declaration-quotes", swap(DECLARATION, DECLARATION.replace(b'"', b"'")), GENERAL),
    ("93-standalone", swap(b'"UTF-8"?>', b'"UTF-8" standalone="yes"?>'), GENERAL),
    ("93-lower-case-encoding", swap(b'"UTF-8"?>', b'"utf-8"?>'), GENERAL),
    ("93-no-declaration", swap(DECLARATION, b""), GENERAL),
    ("11-latin-1", swap(b'"UTF-8"?>', b'"ISO-8859-1"?>'), "ENV-ENCODING"),
    ("12-xml-1.1", swap(b'version="1.0" encoding', b'version="1.1" encoding'), "ENV-NOT-XML"),
    ("93-final-line-feed", lambda data: data + b"\n", GENERAL),
    ("93-final-comment", lambda data: data + b"<!-- end -->", GENERAL),
]
# These change nothing that is hashed, so that a raw digest is the canonical one.
SAME_BODY = {
    "93-attribute-order",
    "93-xml-lang",
    "93-empty-tag",
    "93-space-in-end-tag-of-signature",
    "11-byte-order-mark",
    "93-declaration-quotes",
    "93-standalone",
    "93-lower-case-encoding",
    "93-no-declaration",
}


def resigned(mutate: Mutation, native: bytes, *, raw: bool = False) -> bytes:
    """The library cannot sign what it would read in another encoding: such a file keeps its old values."""
    mutated = mutate(native)
    if b"ISO-8859" in mutated or b'"1.1"' in mutated:
        return mutated
    return forge.resign(mutated, native, raw=raw)


def test_threat_011_another_encoding_than_utf_8_is_refused() -> None:
    """The other encodings are vectors."""
    data = envelopes.native().decode().replace("UTF-8", "UTF-16-LE", 1).encode("utf-16-le")
    verdict = forge.judge(data)
    assert (verdict.path, verdict.code) == (None, "ENV-ENCODING")


def test_threat_093_the_model_is_that_of_the_canonical_octets_which_hold_no_signature() -> None:
    native = envelopes.native()
    data = forge.resign(swap(SUBJECT, SUBJECT + b"<![CDATA[100]]> 000 ")(native), native)

    examination = examine(
        forge.source(data), policy=XmlPolicy(), bindings=forge.bindings(forge.SIGNER), at=forge.AT
    )

    assert examination.canonical is not None
    reading = reader.read([examination.canonical], EnvelopeLimits(), strict=True, source="canonical")
    assert reading.envelope == examination.signed.model
    assert examination.signed.model.subject is not None
    assert examination.signed.model.subject.startswith("100 000 V/v")
    for file in examination.signed.files:
        assert file.source == "canonical"
        assert examination.canonical[file.offset : file.offset + file.length].isascii()

    head, _, tail = forge.split(native)

    body = general.canonical_body(forge.tree(native))

    assert body == head[len(DECLARATION) :] + tail
