"""Vectors for the fast path (verification.md 10, groups 2, 3 and 8): files that an owner signed though they are not
canonical, a Signature in another place, and changes of the bytes. None may be taken for another file. Those of
tests/hostile are judged by every verifier in tests/vectors; each byte is changed in tests/long/hostile/test_one_byte.py."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.edxml.names import CONTENT, DECLARATION
from tests.hostile.test_two_readers import INSTEAD
from tests.support import envelopes, oracles
from tests.support.cases import Cases
from tests.support.fast import SIGNER, accepted, fast, good, resigned

PLACE, RECIPIENT = b"<edXML:Place>Sao Mai<", b"<edXML:To>"


def _cut(raw: bytes, start: bytes, end: bytes) -> bytes:
    return raw[: raw.index(start)] + raw[raw.index(end) :]


def test_group_2_3_what_the_owner_signed_but_is_not_canonical_or_means_something_else_is_not_mine(
    cases: Cases,
) -> None:
    """Only another text, a file of other letters, or a recipient without a word is read, in its own canonical form."""
    head, _, tail = envelopes.split(good())
    counts = dict.fromkeys(INSTEAD, 0)
    for place in (PLACE, RECIPIENT, b' version="1.0">', b"</edXML>", CONTENT.start):
        for other in INSTEAD[place]:
            for piece in (1 << 18, 50):
                with cases.case((place, other[:60], piece)):
                    raw = resigned(head.replace(place, other, 1), tail.replace(place, other, 1))
                    if (parsed := fast(raw, piece)) is not None:
                        counts[place] += 1
                        assert raw[oracles.DECLARATION_LENGTH :] == oracles.canonical_form(raw)
                        assert parsed.size == len(raw)
    assert {place: count for place, count in counts.items() if count} == {
        PLACE: 22,
        RECIPIENT: 2,
        CONTENT.start: 22,
    }

    subject = b"<edXML:Subject>"
    for changed in (
        (
            head.replace(b"edXML:", b"e:").replace(b"xmlns:edXML", b"xmlns:e"),
            tail.replace(b"edXML:", b"e:"),
        ),
        (head.replace(b"QCVN_102_2016", b"QCVN_102_2017"), tail),
        (head.replace(b"<edXML ", b'<edXML xmlns:a="urn:a" ', 1), tail),
        (head.replace(RECIPIENT, b"<edXML:Place>x</edXML:Place>" + RECIPIENT, 1), tail),
        (head.replace(subject, subject + b"x</edXML:Subject>" + subject, 1), tail),
        (
            head.replace(
                RECIPIENT, b"<edXML:From><edXML:OrganId>Z92</edXML:OrganId></edXML:From>" + RECIPIENT, 1
            ),
            tail,
        ),
        (_cut(head, b"<edXML:From>", RECIPIENT), tail),
        (head, _cut(tail, b"<edXML:Reference>", b"</edXML:edXMLManifest>")),
        (head, tail.replace(b"<Attachment>", b'<Attachment xmlns="">', 1)),
    ):
        assert changed != (head, tail)
        assert fast(resigned(*changed)) is None


def test_f3_f5_signed_again_with_a_canonical_reference_or_many_lines_it_is_still_mine() -> None:
    """The control of the tests above: only the change makes the difference."""
    head, _, tail = envelopes.split(good())
    assert accepted(resigned(head, tail)) is not None

    parsed = accepted(resigned(head.replace(PLACE, b"<edXML:Place>Sao&#xD;Mai<"), tail))
    assert parsed is not None
    assert parsed.envelope.place == "Sao\rMai"

    envelope = envelopes.document((), to_places=("Như trên",) * 1500)
    assert accepted(envelopes.native(envelope, (), signer=SIGNER)) is not None


def test_f1_any_other_declaration_is_not_mine(cases: Cases) -> None:
    for declaration in (
        *INSTEAD[DECLARATION],
        DECLARATION.replace(b'"', b"'"),
        DECLARATION.rstrip(),
        DECLARATION.replace(b"\n", b"\r\n"),
        b" " + DECLARATION,
    ):
        with cases.case(declaration):
            raw = declaration + good()[len(DECLARATION) :]
            assert fast(raw) is None
            assert fast(raw, 1) is None


def test_f2_utf_16_is_not_mine_and_the_word_signature_inside_a_text_is_only_text() -> None:
    text = good().decode()
    assert fast(text.encode("utf-16")) is None
    assert fast(text.replace("UTF-8", "UTF-16").encode("utf-16")) is None

    files = (("trong.edxml", b"<ds:Signature></ds:Signature>"), ("a.pdf", b"<ds:Signature "))
    envelope = envelopes.document(files, subject="<ds:Signature Id='sig'>")
    parsed = accepted(envelopes.native(envelope, files, signer=SIGNER))
    assert parsed is not None
    assert parsed.envelope.subject == "<ds:Signature Id='sig'>"


def test_group_3_a_signature_with_something_beside_it_is_not_mine() -> None:
    """At another place it stands in tests/hostile/test_moved_signature.py."""
    raw = good()
    head, s, tail = envelopes.split(raw)
    for changed in (
        DECLARATION + head + s + b" " + tail,
        DECLARATION + head + b" " + s + tail,
        DECLARATION + head + s + tail.replace(b"</edXML>", s + b"</edXML>"),
        DECLARATION + head + s + b"<edXML:Signature></edXML:Signature>" + tail,
        DECLARATION + head + s + b"<edXML:TraceHeaderList></edXML:TraceHeaderList>" + tail,
        raw.replace(b"</ds:Signature>", b"</ds:Signature >"),
    ):
        assert fast(changed) is None


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
    ),
    *(
        b"\n",
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
        b"x",
        b"\xc3",
    ),
    *(b"<edXML:Fax></edXML:Fax>", b"<edXML:To></edXML:To>", b' xmlns:x="u"', b' xmlns=""', b' xml:lang="vi"'),
    *(b' id="sp"', b"xmlns:xml", b":", b"<edXML:Subject>", b"</edXML:Subject>", b"<edXML:edXMLHeader>"),
    *(b"</edXML>", b"\xcc\x89"),
]


@given(data=st.data())
@settings(max_examples=100)
def test_g8_whatever_an_owner_signs_is_taken_only_when_it_is_its_own_canonical_form(
    data: st.DataObject,
) -> None:
    head, _, tail = envelopes.split(good())
    body, seam = head + tail, len(head)
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
