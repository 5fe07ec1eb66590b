"""Signatures of the wrong shape, by owners and by third parties (threats 19-39, 95, 96, 98, 101, 102; verification.md
section 10, groups 4 to 6). Each says its code; all of them are judged as vectors (tests/vectors), with the codes as the
end that each has there, and at every door of a node (tests/threats)."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256

from gateway.edxml import names
from tests.hostile import forge
from tests.hostile.forge import SIGNER, Mutation, behind, swap
from tests.support import envelopes, pki

ATTACKER = pki.signer(envelopes.RECEIVER)

C14N = names.EXC_C14N.encode()
ENVELOPED = b'<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"></ds:Transform>'
EXCLUSIVE = b'<ds:Transform Algorithm="' + C14N + b'"></ds:Transform>'
METHOD = b"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
HMAC = b"http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"
INFO_C14N = b'<ds:CanonicalizationMethod Algorithm="' + C14N + b'">'
POLICY = (
    b"<xades:SignaturePolicyIdentifier><xades:SignaturePolicyImplied></xades:SignaturePolicyImplied>"
    b"</xades:SignaturePolicyIdentifier>"
)
XPATH = b"http://www.w3.org/TR/1999/REC-xpath-19991116"
C14N_10 = b"http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
DIGEST = b"http://www.w3.org/2001/04/xmlenc#sha256"
OUTPUT_LENGTH = b'"><ds:HMACOutputLength>1</ds:HMACOutputLength>'
QUALIFIER, QUALIFIERS = b"<xades:CommitmentTypeQualifier>", b"<xades:CommitmentTypeQualifiers>"
UNSIGNED, PROPERTIES_END = (
    b"<xades:UnsignedProperties></xades:UnsignedProperties>",
    b"</xades:QualifyingProperties>",
)
RETRIEVAL = b'<ds:RetrievalMethod URI="http://127.0.0.1:9/"></ds:RetrievalMethod>'
CERTIFICATE_DIGEST = b64encode(sha256(SIGNER.certificate_der).digest())
ATTACKERS = b64encode(ATTACKER.certificate_der)
SECOND_CERTIFICATE = b"<ds:X509Certificate>" + ATTACKERS + b"</ds:X509Certificate>"


def _prefix_list(prefixes: bytes) -> bytes:
    opened = b'<ec:InclusiveNamespaces xmlns:ec="' + C14N + b'" PrefixList="' + prefixes
    return opened + b'"></ec:InclusiveNamespaces>'


def _sender(code: str) -> Mutation:
    return swap(b"<edXML:OrganId>000.00.07.Z91", b"<edXML:OrganId>" + code.encode())


def _signing_time(text: bytes) -> Mutation:
    return swap(b"2031-03-04T02:15:00Z<", text + b"<")


def _add_transform(transform: bytes, uri: bytes, inside: bytes = b"") -> Mutation:
    """Another transform after that one."""
    return behind(transform, _transform(uri, inside))


def _canonical_form(uri: bytes) -> Mutation:
    return swap(INFO_C14N, INFO_C14N.replace(C14N, uri))


def _with(inside: bytes) -> Mutation:
    return lambda text: text[:9] + inside + text[9:]


def _with_stray_bits(text: bytes) -> bytes:
    """Base64 of the same octets, with other bits before the padding."""
    last = len(text.rstrip(b"=")) - 1
    return text[:last] + bytes([text[last] + 1]) + text[last + 1 :]


def _transform(uri: bytes, inside: bytes = b"") -> bytes:
    return b'<ds:Transform Algorithm="' + uri + b'">' + inside + b"</ds:Transform>"


def _value_of(data: bytes, name: bytes) -> bytes:
    start = data.index(b"<ds:" + name + b">") + len(name) + 5
    return data[start : data.index(b"</ds:", start)]


def _cut(start: bytes, end: bytes, new: bytes = b"") -> Mutation:
    """Replace everything from the first `start` up to `end`."""

    def mutate(data: bytes) -> bytes:
        a = data.index(start)
        return data[:a] + new + data[data.index(end, a) :]

    return mutate


def _copied_key_info(data: bytes) -> bytes:
    key_info = data[data.index(b"<ds:KeyInfo>") : data.index(b"<ds:Object>")]
    return data.replace(b"<ds:Object>", key_info + b"<ds:Object>", 1)


def _in_value(name: bytes, change: Mutation) -> Mutation:
    """A change of the text of the first such element of S."""

    def mutate(data: bytes) -> bytes:
        value = _value_of(data, name)
        return data.replace(value, change(value), 1)

    return mutate


def _reference(n: int, data: bytes) -> bytes:
    parts = data.split(b"<ds:Reference ")
    return b"<ds:Reference " + parts[n].split(b"</ds:Reference>")[0] + b"</ds:Reference>"


def _swap_references(data: bytes) -> bytes:
    first, second = _reference(1, data), _reference(2, data)
    return data.replace(first + second, second + first)


def _third_reference(data: bytes) -> bytes:
    first = _reference(1, data)
    return data.replace(first, first + first.replace(b'Id="doc"', b'Id="doc2"'), 1)


def _one_reference(data: bytes) -> bytes:
    return data.replace(_reference(2, data), b"", 1)


def _no_reference(data: bytes) -> bytes:
    return data.replace(_reference(1, data), b"", 1).replace(_reference(2, data), b"", 1)


# What the owner of the key signs: every value is right, the shape is not.
OWNED: list[tuple[str, Mutation, str]] = [
    ("28-uri-absent", swap(b'Id="doc" URI=""', b'Id="doc"'), "SIG-STRUCTURE"),
    ("28-uri-external", swap(b'Id="doc" URI=""', b'Id="doc" URI="http://127.0.0.1:9/x"'), "SIG-STRUCTURE"),
    ("28-uri-file", swap(b'Id="doc" URI=""', b'Id="doc" URI="file:///etc/hostname"'), "SIG-STRUCTURE"),
    ("28-xpointer", swap(b'Id="doc" URI=""', b'Id="doc" URI="#xpointer(/)"'), "SIG-STRUCTURE"),
    ("28-double-hash", swap(b'URI="#sp"', b'URI="##sp"'), "SIG-STRUCTURE"),
    ("29-only-properties-twice", swap(b'Id="doc" URI=""', b'Id="doc" URI="#sp"'), "SIG-STRUCTURE"),
    ("29-references-swapped", _swap_references, "SIG-STRUCTURE"),
    ("29-three-references", _third_reference, "SIG-STRUCTURE"),
    ("29-one-reference", _one_reference, "SIG-STRUCTURE"),
    ("36-no-reference", _no_reference, "SIG-STRUCTURE"),
    ("29-uri-empty-twice", swap(b'URI="#sp"', b'URI=""'), "SIG-STRUCTURE"),
    ("30-xpath", _add_transform(ENVELOPED, XPATH, b"<ds:XPath>1=1</ds:XPath>"), "SIG-STRUCTURE"),
    ("30-xslt", _add_transform(ENVELOPED, b"http://www.w3.org/TR/1999/REC-xslt-19991116"), "SIG-STRUCTURE"),
    ("30-base64", _add_transform(EXCLUSIVE, b"http://www.w3.org/2000/09/xmldsig#base64"), "SIG-STRUCTURE"),
    ("96-unknown-transform", _add_transform(EXCLUSIVE, b"urn:nobody:knows"), "SIG-STRUCTURE"),
    ("30-doubled", swap(EXCLUSIVE, EXCLUSIVE + EXCLUSIVE), "SIG-STRUCTURE"),
    ("30-order", swap(ENVELOPED + EXCLUSIVE, EXCLUSIVE + ENVELOPED), "SIG-STRUCTURE"),
    ("31-prefix-list", swap(EXCLUSIVE, _transform(C14N, _prefix_list(b"ds"))), "SIG-STRUCTURE"),
    ("31-prefix-list-default", swap(INFO_C14N, INFO_C14N + _prefix_list(b"#default")), "SIG-STRUCTURE"),
    ("31-c14n-with-comments", _canonical_form(C14N + b"WithComments"), "SIG-ALGORITHM"),
    ("31-c14n-1.0", _canonical_form(C14N_10), "SIG-ALGORITHM"),
    ("31-c14n-1.1", _canonical_form(b"http://www.w3.org/2006/12/xml-c14n11"), "SIG-ALGORITHM"),
    ("31-transform-c14n-1.0", swap(EXCLUSIVE, _transform(C14N_10)), "SIG-STRUCTURE"),
    ("32-sha1-digest", swap(DIGEST, b"http://www.w3.org/2000/09/xmldsig#sha1"), "SIG-ALGORITHM"),
    ("32-rsa-sha1", swap(METHOD, b"http://www.w3.org/2000/09/xmldsig#rsa-sha1"), "SIG-ALGORITHM"),
    ("34-hmac", swap(METHOD, HMAC), "SIG-ALGORITHM"),
    ("34-hmac-and-output-length", swap(METHOD + b'">', HMAC + OUTPUT_LENGTH), "SIG-ALGORITHM"),
    ("34-hmac-output-length", swap(METHOD + b'">', METHOD + OUTPUT_LENGTH), "SIG-STRUCTURE"),
    ("36-id-on-signed-info", swap(b"<ds:SignedInfo>", b'<ds:SignedInfo Id="si">'), "SIG-STRUCTURE"),
    ("39-policy", behind(b"</xades:SigningCertificateV2>", POLICY), "SIG-STRUCTURE"),
    ("39-other-certificate-digest", swap(CERTIFICATE_DIGEST, b64encode(b"\0" * 32)), "SIG-PROPERTIES"),
    ("39-object-of-another-reference", swap(b'"#doc"', b'"#sp"'), "SIG-STRUCTURE"),
    ("49-signing-time-no-zone", _signing_time(b"2031-03-04T02:15:00"), "SIG-STRUCTURE"),
    ("49-signing-time-29-february", _signing_time(b"2031-02-29T02:15:00Z"), "SIG-STRUCTURE"),
    ("49-signing-time-leap-second", _signing_time(b"2031-03-04T02:15:60Z"), "SIG-STRUCTURE"),
    ("49-signing-time-year-0", _signing_time(b"0000-03-04T02:15:00Z"), "SIG-STRUCTURE"),
    ("12.2-no-qualifier", _cut(QUALIFIERS, b"</xades:CommitmentTypeIndication>"), "MSG-ID"),
    ("12.2-unknown-version", swap(b'version="1"><gw:Id>', b'version="2"><gw:Id>'), "SIG-STRUCTURE"),
    ("12.2-doubled-id", swap(b"<gw:Kind>", b"<gw:Id>x</gw:Id><gw:Kind>"), "SIG-STRUCTURE"),
    ("109-kind-of-another-packet", swap(b"<gw:Kind>edoc<", b"<gw:Kind>recall<"), "MSG-ID"),
    ("109-unknown-kind", swap(b"<gw:Kind>edoc<", b"<gw:Kind>other<"), "MSG-ID"),
    ("12.2-message-absent", _cut(b"<gw:Message", b"</xades:CommitmentTypeQualifier>"), "MSG-ID"),
    ("12.2-qualifiers-empty", _cut(QUALIFIER, b"</xades:CommitmentTypeQualifiers>"), "MSG-ID"),
]

# What somebody without the key does to a good file.
STOLEN: list[tuple[str, Mutation, str]] = [
    ("31-relative-namespace", swap(b"<edXML xmlns=", b'<edXML xmlns:q="relative" xmlns='), "ENV-FORBIDDEN"),
    ("36-empty-signed-info", _cut(b"<ds:CanonicalizationMethod", b"</ds:SignedInfo>"), "SIG-STRUCTURE"),
    ("27-id-twice", swap(b"<edXML:edXMLBody>", b'<edXML:edXMLBody Id="sp">'), "SIG-ID"),
    ("27-id-other-case", swap(b"<edXML:edXMLBody>", b'<edXML:edXMLBody ID="sp">'), "SIG-ID"),
    ("27-id-lower-case", swap(b"<edXML:edXMLBody>", b'<edXML:edXMLBody id="sp">'), "SIG-ID"),
    ("27-xml-id", swap(b"<edXML:edXMLBody>", b'<edXML:edXMLBody xml:id="sp">'), "SIG-ID"),
    ("27-wsu-id", swap(b"<edXML:edXMLBody>", b'<edXML:edXMLBody xmlns:w="urn:w" w:Id="sp">'), "SIG-ID"),
    ("27-id-no-name", swap(b"<edXML:edXMLBody>", b'<edXML:edXMLBody Id="1 x">'), "SIG-ID"),
    ("35-key-info-absent", _cut(b"<ds:KeyInfo>", b"<ds:Object>"), "SIG-STRUCTURE"),
    ("35-key-info-doubled", _copied_key_info, "SIG-STRUCTURE"),
    ("35-key-value", swap(b"<ds:KeyInfo>", b"<ds:KeyInfo><ds:KeyValue></ds:KeyValue>"), "SIG-STRUCTURE"),
    ("35-key-name", swap(b"<ds:KeyInfo>", b"<ds:KeyInfo><ds:KeyName>other</ds:KeyName>"), "SIG-STRUCTURE"),
    ("35-retrieval-method", behind(b"<ds:KeyInfo>", RETRIEVAL), "SIG-STRUCTURE"),
    ("35-attackers-certificate", _in_value(b"X509Certificate", lambda _: ATTACKERS), "SIG-PIN"),
    ("35-second-certificate", behind(b"<ds:X509Data>", SECOND_CERTIFICATE), "SIG-STRUCTURE"),
    ("98-id-on-key-info", swap(b"<ds:KeyInfo>", b'<ds:KeyInfo Id="k">'), "SIG-STRUCTURE"),
    ("36-empty-digest", _in_value(b"DigestValue", lambda _: b""), "SIG-STRUCTURE"),
    ("36-comment-in-digest", _in_value(b"DigestValue", _with(b"<!---->")), "ENV-FORBIDDEN"),
    ("36-space-in-digest", _in_value(b"DigestValue", _with(b" ")), "SIG-STRUCTURE"),
    ("36-comment-in-value", _in_value(b"SignatureValue", _with(b"<!---->")), "ENV-FORBIDDEN"),
    ("36-trailing-bits-in-digest", _in_value(b"DigestValue", _with_stray_bits), "SIG-STRUCTURE"),
    ("98-trailing-bits-in-value", _in_value(b"SignatureValue", _with_stray_bits), "SIG-STRUCTURE"),
    ("98-no-padding-in-value", _in_value(b"SignatureValue", lambda text: text.rstrip(b"=")), "SIG-STRUCTURE"),
    ("95-wrong-target", swap(b'Target="#sig"', b'Target="#other"'), "SIG-STRUCTURE"),
    ("95-no-target", swap(b' Target="#sig"', b""), "SIG-STRUCTURE"),
    ("95-second-object", swap(b"<ds:Object>", b"<ds:Object></ds:Object><ds:Object>"), "SIG-STRUCTURE"),
    ("95-manifest-in-object", behind(b"<ds:Object>", b"<ds:Manifest></ds:Manifest>"), "SIG-STRUCTURE"),
    ("95-attribute-on-object", swap(b"<ds:Object>", b'<ds:Object Id="o">'), "SIG-STRUCTURE"),
    ("95-unsigned-properties", swap(PROPERTIES_END, UNSIGNED + PROPERTIES_END), "SIG-STRUCTURE"),
    ("38-subject-changed", swap(b"<edXML:Subject>V/v", b"<edXML:Subject>V/V"), "SIG-DIGEST"),
    ("38-attachment-changed", swap(b">JVBERi", b">JVBERj"), "SIG-DIGEST"),
    ("38-space-between-tags", swap(b"<edXML:edXMLBody>", b" <edXML:edXMLBody>"), "SIG-DIGEST"),
    ("95-packet-id-changed", swap(b"<gw:Id>01JZ", b"<gw:Id>01JY"), "SIG-PROPERTIES"),
    ("101-signing-time-changed", _signing_time(b"2031-03-04T02:15:01Z"), "SIG-PROPERTIES"),
    ("47-sender-changed", _sender("000.00.07.Z9\u0661"), "SIG-NO-BINDING"),
    ("47-sender-with-dot", _sender("000.00.07.Z91."), "SIG-NO-BINDING"),
    ("47-sender-lower-case", _sender("000.00.07.z91"), "SIG-NO-BINDING"),
    ("47-sender-with-space", _sender(" 000.00.07.Z91"), "SIG-NO-BINDING"),
    ("47-parent-code", _sender("000.00.00.Z91"), "SIG-NO-BINDING"),
    ("47-another-agency", _sender(envelopes.RECEIVER), "SIG-PIN"),
    ("04-two-senders", swap(b"<edXML:From>", b"<edXML:From></edXML:From><edXML:From>"), "ENV-DIALECT"),
    ("04-two-sender-codes", behind(b"<edXML:OrganId>", b"x</edXML:OrganId><edXML:OrganId>"), "ENV-DIALECT"),
]


def _lines(text: bytes, end: bytes = b"\n") -> bytes:
    return end.join(text[at : at + 76] for at in range(0, len(text), 76))


def _laid_out(change: Mutation) -> Mutation:
    return lambda data: _in_value(b"X509Certificate", change)(_in_value(b"SignatureValue", change)(data))


NAMES_XML = (
    b"<ds:X509SubjectName>CN=x</ds:X509SubjectName><ds:X509IssuerSerial><ds:X509IssuerName>CN=y</ds:X509IssuerName>"
    b"<ds:X509SerialNumber>1</ds:X509SerialNumber></ds:X509IssuerSerial>"
)


def test_threat_031_098_what_changes_no_signed_word_is_taken_by_the_general_path() -> None:
    """G3: Java and .NET break lines there; the body digest is the same, so the repeat is known (A4). Names beside the
    certificate are ignored, and an extra declaration in scope of SignedInfo changes nothing."""
    changes: dict[str, Mutation] = {
        "line breaks": _laid_out(_lines),
        "line breaks of Java": _laid_out(lambda text: _lines(text, b"&#13;\n")),
        "spaces": _laid_out(lambda text: b" " + text + b"\t"),
        "names beside the certificate": swap(b"<ds:X509Data>", b"<ds:X509Data>" + NAMES_XML),
        "a declaration": swap(b"<ds:Signature xmlns:ds=", b'<ds:Signature xmlns:q="urn:q" xmlns:ds='),
    }
    for name, change in changes.items():
        data = change(envelopes.native())
        assert forge.judge(data).path == "general", name
        assert forge.xmlsec_valid(data), name


def test_12_6_a_signing_time_of_any_form_with_a_zone_is_read() -> None:
    native = envelopes.native()
    for text in (b"2031-03-04T09:15:00+07:00", b"2031-03-04T02:15:00.25Z"):
        data = forge.resign(swap(b"2031-03-04T02:15:00Z<", text + b"<")(native), native)
        assert forge.judge(data).path == "general"
        assert forge.xmlsec_valid(data)
