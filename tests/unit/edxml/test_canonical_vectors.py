"""Vectors for the fast path (verification.md 10, groups 2, 3 and 8): files that an owner signed though they are not
canonical, a Signature in another place, and every small change of the bytes. None may be taken for another file."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.edxml.names import DECLARATION
from tests.support import envelopes, oracles
from tests.support.fast import SIGNER, accepted, fast, good, resigned, small

# Vector group 2: the owner signed these bytes, and they are not canonical


def _in_text(before: bytes, written: bytes) -> bytes:
    """The place of issue, written in another way."""
    assert before.count(b"Place>Sao Mai<") == 1
    return before.replace(b"Place>Sao Mai<", b"Place>" + written + b"<")


def _in_tag(before: bytes, tag: bytes, written: bytes) -> bytes:
    assert before.count(tag) >= 1
    return before.replace(tag, written, 1)


NOT_CANONICAL: dict[str, Callable[[bytes, bytes], tuple[bytes, bytes]]] = {
    "comment in text": lambda b, a: (_in_text(b, b"Sao<!--x--> Mai"), a),
    "comment between tags": lambda b, a: (_in_tag(b, b"<edXML:To>", b"<!--x--><edXML:To>"), a),
    "CDATA": lambda b, a: (_in_text(b, b"<![CDATA[Sao Mai]]>"), a),
    "empty CDATA": lambda b, a: (_in_text(b, b"Sao Mai<![CDATA[]]>"), a),
    "CR": lambda b, a: (_in_text(b, b"Sao\rMai"), a),
    "CRLF": lambda b, a: (_in_text(b, b"Sao\r\nMai"), a),
    "character reference": lambda b, a: (_in_text(b, b"Sao &#77;ai"), a),
    "hexadecimal reference": lambda b, a: (_in_text(b, b"Sao &#x4D;ai"), a),
    "small &#xd;": lambda b, a: (_in_text(b, b"Sao&#xd;Mai"), a),
    "reference for a quote": lambda b, a: (_in_text(b, b"Sao&quot;Mai"), a),
    "bare >": lambda b, a: (_in_text(b, b"Sao>Mai"), a),
    "single quotes": lambda b, a: (b, _in_tag(a, b'version="1.0"', b"version='1.0'")),
    "attribute after white space": lambda b, a: (b, _in_tag(a, b' version="1.0"', b'  version="1.0"')),
    "space in an attribute": lambda b, a: (b, _in_tag(a, b'version="1.0"', b'version ="1.0"')),
    "reference in an attribute": lambda b, a: (b, _in_tag(a, b'version="1.0"', b'version="1&#46;0"')),
    "another version": lambda b, a: (b, _in_tag(a, b'version="1.0"', b'version="1.1"')),
    "empty element tag": lambda b, a: (_in_tag(b, b"</edXML:To>", b"<edXML:Fax/></edXML:To>"), a),
    "space in a start tag": lambda b, a: (_in_tag(b, b"<edXML:Place>", b"<edXML:Place >"), a),
    "line feed in a start tag": lambda b, a: (_in_tag(b, b"<edXML:Place>", b"<edXML:Place\n>"), a),
    "space in an end tag": lambda b, a: (_in_tag(b, b"</edXML:Place>", b"</edXML:Place >"), a),
    "unused declaration": lambda b, a: (_in_tag(b, b"<edXML:Place>", b'<edXML:Place xmlns:x="urn:x">'), a),
    "unused declaration on the root": lambda b, a: (_in_tag(b, b"<edXML ", b'<edXML xmlns:a="urn:a" '), a),
    "repeated declaration": lambda b, a: (
        _in_tag(b, b"<edXML:Place>", b'<edXML:Place xmlns:edXML="http://www.mic.gov.vn/TBT/QCVN_102_2016">'),
        a,
    ),
    "default namespace taken away": lambda b, a: (b, _in_tag(a, b"<Attachment>", b'<Attachment xmlns="">')),
    "another prefix": lambda b, a: (
        b.replace(b"edXML:", b"e:").replace(b"xmlns:edXML", b"xmlns:e"),
        a.replace(b"edXML:", b"e:").replace(b"xmlns:edXML", b"xmlns:e"),
    ),
    "another namespace": lambda b, a: (b.replace(b"QCVN_102_2016", b"QCVN_102_2017"), a),
    "xml:lang": lambda b, a: (_in_tag(b, b"<edXML:Place>", b'<edXML:Place xml:lang="vi">'), a),
    "id": lambda b, a: (_in_tag(b, b"<edXML:Place>", b'<edXML:Place id="sp">'), a),
    "PI inside": lambda b, a: (_in_tag(b, b"<edXML:Place>", b"<?x y?><edXML:Place>"), a),
    "PI before the root": lambda b, a: (b"<?x y?>" + b, a),
    "PI after the root": lambda b, a: (b, a + b"<?x y?>"),
    "document type": lambda b, a: (b"<!DOCTYPE edXML>" + b, a),
    "entity": lambda b, a: (b'<!DOCTYPE edXML [<!ENTITY e "Sao Mai">]>' + _in_text(b, b"&e;"), a),
    "final line feed": lambda b, a: (b, a + b"\n"),
    "final comment": lambda b, a: (b, a + b"<!--x-->"),
    "second root": lambda b, a: (b, a + b"<edXML></edXML>"),
    "NUL after the root": lambda b, a: (b, a + b"\0"),
    "second line feed after the declaration": lambda b, a: (b"\n" + b, a),
    "white space between tags": lambda b, a: (_in_tag(b, b"<edXML:To>", b"\n  <edXML:To>"), a),
    "text between tags": lambda b, a: (_in_tag(b, b"<edXML:To>", b"100<edXML:To>"), a),
    "an element inside a text": lambda b, a: (_in_text(b, b"Sao <edXML:To></edXML:To>Mai"), a),
    "an unknown element": lambda b, a: (_in_tag(b, b"<edXML:To>", b"<edXML:Cc></edXML:Cc><edXML:To>"), a),
    "a known element elsewhere": lambda b, a: (
        _in_tag(b, b"<edXML:To>", b"<edXML:Place>x</edXML:Place><edXML:To>"),
        a,
    ),
    "a single element twice": lambda b, a: (
        _in_tag(b, b"<edXML:Subject>", b"<edXML:Subject>x</edXML:Subject><edXML:Subject>"),
        a,
    ),
    "two senders": lambda b, a: (
        _in_tag(b, b"<edXML:To>", b"<edXML:From><edXML:OrganId>Z92</edXML:OrganId></edXML:From><edXML:To>"),
        a,
    ),
    "no sender": lambda b, a: (
        b[: b.index(b"<edXML:From>")] + b[b.index(b"</edXML:From>") + len(b"</edXML:From>") :],
        a,
    ),
    "a file the manifest does not list": lambda b, a: (
        b,
        a[: a.index(b"<edXML:Reference>")] + a[a.index(b"</edXML:edXMLManifest>") :],
    ),
    "not UTF-8": lambda b, a: (_in_text(b, b"Sao \xe1"), a),
    "overlong UTF-8": lambda b, a: (_in_text(b, b"Sao \xc1\x81"), a),
    "a surrogate in UTF-8": lambda b, a: (_in_text(b, b"Sao \xed\xa0\x80"), a),
    "a control character": lambda b, a: (_in_text(b, b"Sao \x01"), a),
}


@pytest.mark.parametrize("what", list(NOT_CANONICAL))
@pytest.mark.parametrize("piece", [1 << 18, 50])
def test_group_2_what_the_owner_signed_but_is_not_canonical_is_not_mine(what: str, piece: int) -> None:
    before, _, after = envelopes.split(good())
    changed_before, changed_after = NOT_CANONICAL[what](before, after)
    assert (changed_before, changed_after) != (before, after)

    assert fast(resigned(changed_before, changed_after), piece) is None


def test_signing_the_bytes_again_unchanged_is_still_mine() -> None:
    """The control of the test above: only the change makes the difference."""
    before, _, after = envelopes.split(good())
    assert accepted(resigned(before, after)) is not None


def test_f5_a_carriage_return_as_its_canonical_reference_is_mine() -> None:
    before, _, after = envelopes.split(good())
    raw = resigned(_in_text(before, b"Sao&#xD;Mai"), after)
    found = accepted(raw)
    assert found is not None
    assert found.envelope.place == "Sao\rMai"
    assert raw[oracles.DECLARATION_LENGTH :] == oracles.canonical_form(raw)


def test_f3_many_lines_that_are_no_recipients_are_still_mine() -> None:
    envelope = envelopes.document((), to_places=("Như trên",) * 1500)
    assert accepted(envelopes.native(envelope, (), signer=SIGNER)) is not None


DECLARATIONS = {
    "BOM": b"\xef\xbb\xbf" + DECLARATION,
    "single quotes": DECLARATION.replace(b'"', b"'"),
    "standalone": DECLARATION.replace(b"?>", b' standalone="yes"?>'),
    "lower case": DECLARATION.replace(b"UTF-8", b"utf-8"),
    "latin-1": DECLARATION.replace(b"UTF-8", b"ISO-8859-1"),
    "1.1": DECLARATION.replace(b"1.0", b"1.1"),
    "no line feed": DECLARATION.rstrip(),
    "CRLF": DECLARATION.replace(b"\n", b"\r\n"),
    "none": b"",
    "space before": b" " + DECLARATION,
}


@pytest.mark.parametrize("what", list(DECLARATIONS))
def test_f1_any_other_declaration_is_not_mine(what: str) -> None:
    raw = DECLARATIONS[what] + good()[len(DECLARATION) :]
    assert fast(raw) is None
    assert fast(raw, 1) is None


def test_f2_utf_16_is_not_mine() -> None:
    text = good().decode()
    assert fast(text.encode("utf-16")) is None
    assert fast(text.replace("UTF-8", "UTF-16").encode("utf-16")) is None


# Vector group 3: S somewhere else


def _moved() -> Iterator[tuple[str, bytes]]:
    raw = good()
    before, s, after = envelopes.split(raw)
    head = b"<edXML:edXMLHeader>"
    yield "first in the header", DECLARATION + before.replace(head, head + s) + after
    yield "in the root", DECLARATION + before + after.replace(b"</edXML>", s + b"</edXML>")
    yield (
        "first in the root",
        DECLARATION + before.replace(b"<edXML:edXMLEnvelope", s + b"<edXML:edXMLEnvelope") + after,
    )
    yield "in a text", DECLARATION + before.replace(b"Place>Sao Mai", b"Place>Sao " + s + b"Mai") + after
    yield "in an attachment", DECLARATION + before + after.replace(b"<Attachment>", b"<Attachment>" + s, 1)
    yield "after the root", DECLARATION + before + after + s
    yield "followed by a space", DECLARATION + before + s + b" " + after
    yield "preceded by a space", DECLARATION + before + b" " + s + after
    yield "doubled", DECLARATION + before + s + s + after
    yield "doubled elsewhere", DECLARATION + before + s + after.replace(b"</edXML>", s + b"</edXML>")
    yield "nested in its own Object", raw.replace(b"<ds:Object>", b"<ds:Object>" + s, 1)
    yield "in KeyInfo", raw.replace(b"<ds:KeyInfo>", b"<ds:KeyInfo>" + s, 1)
    yield "absent", DECLARATION + before + after
    beside = b"<edXML:Signature></edXML:Signature>"
    yield "a QCVN signature before it", DECLARATION + before + beside + s + after
    yield "a QCVN signature after it", DECLARATION + before + s + beside + after
    yield (
        "an element after it",
        DECLARATION + before + s + b"<edXML:TraceHeaderList></edXML:TraceHeaderList>" + after,
    )
    yield "a space in its end tag", raw.replace(b"</ds:Signature>", b"</ds:Signature >")


MOVED = dict(_moved())


@pytest.mark.parametrize("what", list(MOVED))
def test_group_3_a_signature_anywhere_else_is_not_mine(what: str) -> None:
    assert fast(MOVED[what]) is None


def test_group_3_the_word_signature_inside_a_text_or_a_file_is_only_text() -> None:
    files = (("trong.edxml", b"<ds:Signature></ds:Signature>"), ("a.pdf", b"<ds:Signature "))
    envelope = envelopes.document(files, subject="<ds:Signature Id='sig'>")
    found = accepted(envelopes.native(envelope, files, signer=SIGNER))
    assert found is not None
    assert found.envelope.subject == "<ds:Signature Id='sig'>"


# Vector group 8


@pytest.mark.long
def test_group_8_no_change_of_any_one_byte_is_ever_accepted_as_another_file() -> None:
    raw = small()
    original = accepted(raw)
    assert original is not None
    for at, byte in enumerate(raw):
        others = {byte ^ 1, byte ^ 0x20, byte ^ 0x80, 0, 0x20, 0x26, 0x3C, 0x3E} - {byte}
        changes = [raw[:at] + bytes([other]) + raw[at + 1 :] for other in others]
        changes.append(raw[:at] + raw[at + 1 :])
        changes.append(raw[:at] + raw[at : at + 1] + raw[at:])
        for changed in changes:
            found = accepted(changed)
            assert found is None or found.file_digest == original.file_digest, at


@given(data=st.data())
def test_group_8_no_splice_of_the_owners_files_is_accepted(data: st.DataObject) -> None:
    """Cuts out, repeats and swaps ranges of a file that has attachments."""
    raw = good()
    a, b = sorted(data.draw(st.tuples(st.integers(0, len(raw)), st.integers(0, len(raw)))))
    c, d = sorted(data.draw(st.tuples(st.integers(0, len(raw)), st.integers(0, len(raw)))))
    changed = raw[:a] + raw[c:d] + raw[b:]
    assert changed == raw or accepted(changed) is None


TRICKY = [
    *(
        b"<!--x-->",
        b"<![CDATA[x]]>",
        b"&#49;",
        b"&#xD;",
        b"&amp;",
        b"&quot;",
        b"&",
        b"<",
        b">",
        b"]]>",
        b"\r",
        b"\n",
    ),
    *(
        b"\t",
        b" ",
        b"'",
        b'"',
        b"/",
        b"\0",
        b"\xef\xbb\xbf",
        b"<?x?>",
        b"<a/>",
        b"</a>",
        b"<edXML:Fax></edXML:Fax>",
    ),
    *(
        b"<edXML:To></edXML:To>",
        b' xmlns:x="u"',
        b' xmlns=""',
        b' xml:lang="vi"',
        b' id="sp"',
        b"xmlns:xml",
        b":",
    ),
    *(
        b"<edXML:Subject>",
        b"</edXML:Subject>",
        b"<edXML:edXMLHeader>",
        b"</edXML>",
        b"x",
        b"\xc3",
        b"\xcc\x89",
    ),
]


@given(data=st.data())
@settings(max_examples=100)
def test_g8_whatever_an_owner_signs_is_taken_only_when_it_is_its_own_canonical_form(
    data: st.DataObject,
) -> None:
    before, _, after = envelopes.split(good())
    body, seam = before + after, len(before)
    for _ in range(data.draw(st.integers(1, 2))):
        at = data.draw(st.integers(0, len(body)))
        cut = data.draw(st.integers(0, 3))
        token = data.draw(st.sampled_from(TRICKY))
        body = body[:at] + token + body[at + cut :]
        seam += len(token) - cut if at < seam else 0
    raw = resigned(body[:seam], body[seam:])

    if fast(raw) is not None:
        assert raw[oracles.DECLARATION_LENGTH :] == oracles.canonical_form(raw)
        assert oracles.xmlsec_says_valid(raw, SIGNER.certificate_der)
