"""There are two readers of native files (F13): libxml2's tree for a small one, expat's stream for a large one. They say the
same of any file, to the last field of the model: good files of every kind, drawn ones, and every way that an attacker or an
owner of a key could write them anew."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.edxml import canonical
from gateway.edxml.canonical import Fast
from gateway.edxml.envelope import Envelope
from gateway.edxml.names import CONTENT, DECLARATION, HEADER
from gateway.edxml.policy import EnvelopeLimits, XmlPolicy
from gateway.ports.services import EnvelopeSigner
from tests.support import envelopes, pki, readers, strategies
from tests.support.amounts import examples
from tests.support.cases import Cases
from tests.support.readers import both

POLICY = XmlPolicy()


@cache
def _signer(code: str) -> EnvelopeSigner:
    return pki.signer(code, "p256")


def _natives() -> dict[str, bytes]:
    return {
        name: envelopes.native(
            envelope, files, signer=_signer(envelope.sender.organ_id or ""), receipt=receipt
        )
        for name, envelope, files, receipt in envelopes.every_kind()
    }


NATIVES = _natives()
DOCUMENT, STATUS = NATIVES["document"], NATIVES["status 03"]


def _fast_reading(raw: bytes) -> Fast:
    reading = both(raw)
    assert reading is not None
    return reading.parsed


@pytest.mark.parametrize("step", [149, pytest.param(17, marks=pytest.mark.long)])
def test_a_good_file_of_every_kind_and_each_byte_changed_or_left_out_is_read_alike(step: int) -> None:
    for raw in NATIVES.values():
        reading = _fast_reading(raw)
        assert raw[reading.a : reading.b].startswith(b"<ds:Signature ")
        assert all(raw[file.offset :][: file.length].isascii() for file in reading.files)

    for raw in (DOCUMENT, STATUS):
        for place in range(0, len(raw), step):
            for new in (b"", b" ", b"<", b"&", bytes([raw[place] ^ 0x20]), bytes([raw[place] | 0x80])):
                both(raw[:place] + new + raw[place + 1 :])


@settings(max_examples=examples(60))
@given(envelope=strategies.documents() | strategies.statuses(), files=strategies.file_sets())
def test_any_envelope_that_can_be_written_is_read_alike(envelope: Envelope, files: strategies.Files) -> None:
    if envelope.status is not None:
        files = ()
    signer = _signer(envelopes.SENDER)
    document = envelopes.with_files(envelope, files)
    raw = envelopes.native(document, files, signer=signer, receipt=None)
    assert _fast_reading(raw).envelope == document


# What a byte, a tag, a text or a name may become. Each stands for a construct that one of the parsers could take.
INSTEAD: dict[bytes, Sequence[bytes]] = {
    b"<edXML:Place>Sao Mai<": [
        b"<edXML:Place>Sao<!--x--> Mai<",
        b"<edXML:Place><![CDATA[Sao Mai]]><",
        b"<edXML:Place>Sao Mai<?p i?><",
        b"<edXML:Place>Sao&#32;Mai<",
        b"<edXML:Place>Sao&#xD;Mai<",
        b"<edXML:Place>Sao&#xd;Mai<",
        b"<edXML:Place>Sao&nbsp;Mai<",
        b"<edXML:Place>Sao&quot;Mai<",
        b"<edXML:Place>Sao&apos;Mai<",
        b'<edXML:Place>Sao"Mai<',
        b"<edXML:Place>Sao>Mai<",
        b"<edXML:Place>Sao]]&gt;Mai<",
        b"<edXML:Place>Sao]]>Mai<",
        b"<edXML:Place>Sao\rMai<",
        b"<edXML:Place>Sao\r\nMai<",
        b"<edXML:Place>Sao\x00Mai<",
        b"<edXML:Place>Sao\x0bMai<",
        b"<edXML:Place>Sao\x7f\xc2\x85Mai<",
        b"<edXML:Place>Sao\xe2\x80\xa8Mai<",
        b"<edXML:Place>Sao\xef\xbf\xbeMai<",
        b"<edXML:Place>Sao\xef\xbf\xbfMai<",
        b"<edXML:Place>Sao\xed\xa0\x80Mai<",
        b"<edXML:Place>Sao\xc0\xafMai<",
        b"<edXML:Place>Sao\xe1\xbaMai<",
        b"<edXML:Place>Sao\xf4\x8f\xbf\xbfMai<",
        b"<edXML:Place>Sao\xf4\x90\x80\x80Mai<",
        b"<edXML:Place><",
        b"<edXML:Place> <",
        b"<edXML:Place>" + b"&amp;" * 13_000 + b"<",
        b"<edXML:Place>" + b"&amp;" * 13_108 + b"<",
        b"<edXML:Place>" + b"a" * 65_536 + b"<",
        b"<edXML:Place>" + b"a" * 65_537 + b"<",
        b"<edXML:Place>" + "ế".encode() * 21_845 + b"<",
        b"<edXML:Place>" + "ế".encode() * 21_846 + b"<",
        b'<edXML:Place xml:lang="vi">Sao Mai<',
        b'<edXML:Place xmlns:x="urn:x">Sao Mai<',
        b'<edXML:Place xmlns:xml="http://www.w3.org/XML/1998/namespace">Sao Mai<',
        b'<edXML:Place xmlns:edXML="urn:other">Sao Mai<',
        b'<edXML:Place xmlns:edXML="http://www.mic.gov.vn/TBT/QCVN_102_2016">Sao Mai<',
        b'<edXML:Place a="1" a="2">Sao Mai<',
        b'<edXML:Place a="1">Sao Mai<',
        b"<edXML:Place><edXML:Place></edXML:Place>Sao Mai<",
        b"<Place>Sao Mai<",
        b"<x:Place>Sao Mai<",
        b"<a:b:Place>Sao Mai<",
    ],
    b"<edXML:To>": [
        b" <edXML:To>",
        b"\n<edXML:To>",
        b"x<edXML:To>",
        b"<edXML:To></edXML:To><edXML:To>",
        b"<edXML:From></edXML:From><edXML:To>",
        b"<edXML:Unknown></edXML:Unknown><edXML:To>",
        b"<edXML:To/><edXML:To>",
        b"<edXML:To >",
        b"<!--x--><edXML:To>",
        b"<?x?><edXML:To>",
        b"<ds:Signature></ds:Signature><edXML:To>",
    ],
    b' version="1.0">': [
        b" version='1.0'>",
        b' version = "1.0">',
        b' version="1.0" Id="x">',
        b' Id="x" version="1.0">',
        b' version="1&#46;0">',
        b' version="1.1">',
        b' version="1.0" version="1.0">',
        b' edXML:version="1.0">',
        b">",
    ],
    DECLARATION: [
        b"",
        b"\xef\xbb\xbf" + DECLARATION,
        DECLARATION + b"\n",
        DECLARATION + b"<!--x-->",
        DECLARATION + b"<?x?>",
        DECLARATION + b"<!DOCTYPE edXML>",
        DECLARATION + b'<!DOCTYPE edXML [<!ENTITY a "b">]>',
        DECLARATION + b'<!DOCTYPE edXML SYSTEM "file:///etc/passwd">',
        DECLARATION + b'<!DOCTYPE edXML [<!ATTLIST edXML a CDATA "b">]>',
        DECLARATION.replace(b"1.0", b"1.1"),
        DECLARATION.replace(b"UTF-8", b"utf-8"),
        DECLARATION.replace(b"UTF-8", b"ISO-8859-1"),
        DECLARATION.replace(b"?>", b' standalone="yes"?>'),
    ],
    HEADER.end: [
        b" " + HEADER.end,
        b"<!--x-->" + HEADER.end,
        b"<edXML:TraceHeaderList></edXML:TraceHeaderList>" + HEADER.end,
        b"</edXML:edXMLHeader >",
    ],
    b"</edXML>": [
        b"</edXML>\n",
        b"</edXML><!--x-->",
        b"</edXML><?x?>",
        b"</edXML><edXML></edXML>",
        b"</edXML",
        b"",
    ],
    b"<ds:SignedInfo>": [
        b"<!--x--><ds:SignedInfo>",
        b"<?x?><ds:SignedInfo>",
        b" <ds:SignedInfo>",
        b'<ds:SignedInfo Id="x">',
        b"<ds:Object></ds:Object><ds:SignedInfo>",
        b'<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#" Id="sig"></ds:Signature><ds:SignedInfo>',
    ],
    b"<gw:Kind>": [
        b"<gw:Kind >",
        b"<gw:Kind></gw:Kind><gw:Kind>",
        b"<![CDATA[]]><gw:Kind>",
        b"<!----><gw:Kind>",
    ],
    CONTENT.start: [
        CONTENT.start + b" ",
        CONTENT.start + b"=",
        CONTENT.start + b"A",
        CONTENT.start + b"QUJD",
        CONTENT.start + b"\x00",
        CONTENT.start + b"\x7f",
        CONTENT.start + b"-",
        CONTENT.start.replace(b'"', b"'"),
        b"<edXML:ContentTransferEncoded  " + CONTENT.start.partition(b" ")[2],
        CONTENT.start + b"&amp;",
        CONTENT.start + b"&lt;edXML:ContentTransferEncoded&gt;",
        CONTENT.start + b"&#xD;",
        CONTENT.start + b"\n",
        CONTENT.start + "ế".encode(),
        CONTENT.start + b"<!--x-->",
        CONTENT.start + b"<![CDATA[]]>",
        CONTENT.start + b"<?x?>",
        CONTENT.start + CONTENT.end + CONTENT.start,
        CONTENT.start + b"<edXML:Place></edXML:Place>",
        b"<edXML:ContentTransferEncoded>",
        b'<ContentTransferEncoded xmlns="http://www.mic.gov.vn/TBT/QCVN_102_2016">',
    ],
}


def test_each_construct_that_a_parser_could_take_is_taken_or_refused_by_both(cases: Cases) -> None:
    for text, variants in INSTEAD.items():
        with cases.case(text[:24]):
            raw = next(native for native in (DOCUMENT, STATUS) if text in native)
            readings = [both(raw.replace(text, other, count)) for other in variants for count in (1, -1)]
            # a doubled or an empty leaf, an odd character or a file that is no base64 may be native; markup never is
            assert None in readings


_FILE = CONTENT.start + b"QUJD" + CONTENT.end


@pytest.mark.parametrize("step", [19, pytest.param(1, marks=pytest.mark.long)])
def test_a_file_that_stands_where_none_may_is_taken_out_of_no_text(cases: Cases, step: int) -> None:
    """The tree is made without the files' letters: what looks like a file and is none must still be refused."""
    edges = (
        *((b"", b""), (b"<!--", b"-->"), (b"<![CDATA[", b"]]>"), (b"<?x ", b"?>"), (b"&", b";")),
        *(
            (b"<edXML:Fax>", b"</edXML:Fax>"),
            (b'<edXML:Fax a="', b'"></edXML:Fax>'),
            (b"<!DOCTYPE x [", b"]>"),
        ),
    )
    for cut in (0, 1, len(CONTENT.end), len(CONTENT.end) + 2):
        for begin, end in edges:
            with cases.case((begin, cut)):
                lookalike = begin + _FILE[: len(_FILE) - cut] + end
                for raw in (DOCUMENT, STATUS):
                    tags = islice(_TAG.finditer(raw, len(DECLARATION)), cut % step, None, step)
                    for place in (len(DECLARATION), *(tag.end() for tag in tags)):
                        assert both(raw[:place] + lookalike + raw[place:]) is None


_TAG = re.compile(rb"<[^<>]*>")
_PIECES = st.sampled_from(
    sorted({tag for raw in NATIVES.values() for tag in _TAG.findall(raw)})
    + [text for several in INSTEAD.values() for text in several if len(text) < 200]
)


@settings(max_examples=examples(150))
@given(data=st.data(), name=st.sampled_from(sorted(NATIVES)))
def test_pieces_put_in_taken_out_and_moved_are_read_alike(data: st.DataObject, name: str) -> None:
    raw = NATIVES[name]
    for _ in range(data.draw(st.integers(1, 3))):
        edges = [at for tag in _TAG.finditer(raw) for at in tag.span()] or [0]
        a, b = sorted(data.draw(st.tuples(st.sampled_from(edges), st.sampled_from(edges))))
        piece = data.draw(_PIECES)
        raw = data.draw(
            st.sampled_from(
                [raw[:a] + piece + raw[a:], raw[:a] + raw[b:], raw[:a] + raw[a:b] * 2 + raw[b:], raw[b:a]]
            )
        )
        both(raw)


def test_a_limit_is_met_by_both_at_the_same_place() -> None:
    for limits in (
        EnvelopeLimits(text_bytes=20),
        EnvelopeLimits(signature_bytes=1000),
        EnvelopeLimits(attachments=1),
        EnvelopeLimits(recipients=1),
        EnvelopeLimits(inflated_bytes=3),
        EnvelopeLimits(depth=14),
    ):
        for raw in NATIVES.values():
            both(raw, limits)


def test_the_least_depth_that_the_tree_answers_for_holds_the_deepest_signature() -> None:
    for raw in NATIVES.values():
        assert both(raw, EnvelopeLimits(depth=14)) is not None
    assert not canonical.is_small(len(STATUS), EnvelopeLimits(depth=13))
    assert readers.fast(STATUS, XmlPolicy(limits=EnvelopeLimits(depth=13))) is None


@pytest.mark.parametrize("excess", [0, 1])
def test_the_size_alone_chooses_the_reader(excess: int) -> None:
    """A file of exactly a megabyte is held as a tree; with one byte more it streams, and says the same."""
    lacks = canonical.MOST_SMALL + excess - len(_of_size(0, 1))
    raw = _of_size(lacks // 4 * 3, 1 + lacks % 4)
    reading = canonical.read_fast([raw], len(raw), POLICY)
    assert len(raw) == canonical.MOST_SMALL + excess
    assert reading is not None
    assert canonical.is_small(len(raw), POLICY.limits) is not bool(excess)
    assert canonical.read_large([raw], len(raw), POLICY) == reading
    assert both(raw) is not None


def _of_size(content: int, subject: int) -> bytes:
    files = (("a.pdf", bytes(content)),)
    document = envelopes.document(files, subject="x" * subject)
    return envelopes.native(document, files, signer=_signer(envelopes.SENDER))


def test_the_tree_that_is_left_for_the_schema_holds_no_file_and_nothing_of_the_signature() -> None:
    reading = canonical.read_fast([DOCUMENT], len(DOCUMENT), POLICY)
    assert reading is not None
    assert reading.tree is not None
    for element in reading.tree.iter():
        if element.tag.endswith(("}ContentTransferEncoded", "}Signature")):
            assert (element.text, len(element), len(element.attrib)) == (None, 0, 0)
