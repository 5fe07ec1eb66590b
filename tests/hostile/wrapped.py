"""Signature wrapping: a good signature kept, the meaning changed around it (threats 19 to 26 and 95; verification.md
section 10, group 4). Other verifiers say valid to some of these; the one place and the one shape decide here, as the
vectors show (tests/vectors). In: a good file. Out: the file wrapped."""

from __future__ import annotations

from gateway.edxml import names
from tests.hostile import forge

XSW = ["19-xsw1", "20-xsw2", "21-xsw3", "22-xsw4", "23-xsw5", "24-xsw6", "25-xsw7", "26-xsw8"]


def wrapped(native: bytes, variant: str) -> bytes:
    """A forged packet that carries the signed one of somebody else in the way of the classic eight."""
    head, signature, tail = forge.split(native)
    original = (head + tail)[39:]
    forged = head.replace(b"<edXML:Subject>V/v", b"<edXML:Subject>FORGED V/v")
    inside = signature.replace(b"</ds:Signature>", original + b"</ds:Signature>")
    in_object = signature.replace(b"<ds:Object>", b"<ds:Object>" + original)
    declaration, forged_body = forged[:39], forged[39:]
    return {
        "19-xsw1": forged + inside + tail,
        "20-xsw2": forged + signature + tail.replace(b"</edXML>", original + b"</edXML>"),
        "21-xsw3": forged
        + signature
        + tail.replace(b"</edXML:edXMLEnvelope>", b"</edXML:edXMLEnvelope>" + original),
        "22-xsw4": declaration
        + forged_body
        + signature
        + tail.replace(b"<edXML:edXMLBody>", b"<edXML:edXMLBody>" + original),
        "23-xsw5": forged + signature + original + tail,
        "24-xsw6": forged + in_object + tail,
        "25-xsw7": forged.replace(b"<edXML:Content>", b"<edXML:Content>" + original) + signature + tail,
        "26-xsw8": forged + signature.replace(b"</ds:Object>", original + b"</ds:Object>") + tail,
    }[variant]


def parked(native: bytes) -> bytes:
    """The real SignedProperties in a second Object, forged ones at their place."""
    start, end = native.index(b"<xades:SignedProperties"), native.index(b"</xades:QualifyingProperties>")
    real = native[start:end]
    forged = real.replace(b'Id="sp"', b'Id="other"').replace(b"<gw:Id>01JZ", b"<gw:Id>EVIL")
    parked_object = (
        b'<ds:Object><xades:QualifyingProperties xmlns:xades="' + names.XADES.encode() + b'" Target="#sig">'
    )
    parked_object += real + b"</xades:QualifyingProperties></ds:Object>"
    return native.replace(real, forged).replace(b"</ds:Signature>", parked_object + b"</ds:Signature>")
