"""The one good Signature, moved, doubled or imitated by somebody without the key (threats 17, 18, 94; verification.md
section 10, group 3). Other verifiers often say valid, as of one inside the subject, of which a tree reader would see
half: the place is ours to check. All of them are judged as vectors (tests/vectors)."""

from __future__ import annotations

from tests.hostile import forge
from tests.hostile.forge import Mutation, behind, swap
from tests.support import envelopes

EMPTY = b"<edXML:Signature></edXML:Signature>"


def _move(anchor: bytes, *, in_front: bool = False) -> Mutation:
    """S taken out of its place and put after (or in front of) the first such bytes."""

    def mutate(data: bytes) -> bytes:
        head, signature, tail = forge.split(data)
        without = head + tail
        at = without.index(anchor) + (0 if in_front else len(anchor))
        return without[:at] + signature + without[at:]

    return mutate


def _remove(data: bytes) -> bytes:
    head, _, tail = forge.split(data)
    return head + tail


def _double(data: bytes) -> bytes:
    head, signature, tail = forge.split(data)
    return head + signature + signature + tail


def _nest(anchor: bytes) -> Mutation:
    def mutate(data: bytes) -> bytes:
        head, signature, tail = forge.split(data)
        return head + signature.replace(anchor, anchor + signature, 1) + tail

    return mutate


def _placeholder(data: bytes) -> bytes:
    head, _, tail = forge.split(data)
    return head + b"<edXML:Signature><edXML:SignedInfo></edXML:SignedInfo></edXML:Signature>" + tail


def _two_placeholders(data: bytes) -> bytes:
    head, _, tail = forge.split(data)
    return head + EMPTY * 2 + tail


CASES: list[tuple[str, Mutation, str]] = [
    ("17-absent", _remove, "SIG-ABSENT"),
    ("17-placeholder-of-the-vendor", _placeholder, "SIG-PLACEHOLDER"),
    (
        "17-unregistered-canonical-form",
        swap(b"http://www.w3.org/2001/10/xml-exc-c14n#", b"http://www.w3.org/TR/xml-exc-c14n#"),
        "SIG-PLACEHOLDER",
    ),
    ("17-two-placeholders", _two_placeholders, "SIG-PLACEHOLDER"),
    ("18-doubled", _double, "SIG-MANY"),
    ("18-nested-in-its-object", _nest(b"<ds:Object>"), "SIG-MANY"),
    ("18-nested-in-key-info", _nest(b"<ds:X509Data>"), "SIG-MANY"),
    ("18-placeholder-beside", swap(b"<ds:Signature ", EMPTY + b"<ds:Signature "), "SIG-MANY"),
    ("94-first-of-header", _move(b"<edXML:edXMLHeader>"), "SIG-PLACE"),
    ("94-in-message-header", _move(b"<edXML:MessageHeader>"), "SIG-PLACE"),
    ("94-first-of-root", _move(b"<edXML:edXMLEnvelope", in_front=True), "SIG-PLACE"),
    ("94-in-subject", _move(b"<edXML:Subject>V/v"), "SIG-PLACE"),
    ("94-in-sender-code", _move(b"<edXML:OrganId>000.00"), "SIG-PLACE"),
    ("94-in-manifest", _move(b"<edXML:Reference>"), "SIG-PLACE"),
    ("94-in-attachment", _move(b"<Attachment>"), "SIG-PLACE"),
    ("94-in-file-text", _move(b'xmlns:edXML="http://www.mic.gov.vn/TBT/QCVN_102_2016">JV'), "SIG-PLACE"),
    ("94-last-of-root", _move(b"</edXML>", in_front=True), "SIG-PLACE"),
    ("15-after-root", _move(b"</edXML>"), "ENV-NOT-XML"),
    ("94-followed-by-element", behind(b"</ds:Signature>", b"<edXML:Extra></edXML:Extra>"), "SIG-PLACE"),
    ("94-followed-by-text", swap(b"</ds:Signature>", b"</ds:Signature>x"), "SIG-PLACE"),
]


def test_white_space_after_the_signature_is_no_harm_when_the_owner_signed_it() -> None:
    native = envelopes.native()
    data = forge.resign(swap(b"</ds:Signature>", b"</ds:Signature>\n  ")(native), native)
    assert forge.judge(data).path == "general"
    assert forge.xmlsec_valid(data)
