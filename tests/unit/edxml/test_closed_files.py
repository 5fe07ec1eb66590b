"""Large files on the fast path are proved with the envelope and left closed, and opened once afterwards; text of base64
that the parser does not see is judged as if it had."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from unittest.mock import patch
from xml.parsers import expat

from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.domain.proof import FileSlice
from gateway.edxml import attachment, canonical
from gateway.edxml.canonical import Fast, read_closed, read_large
from gateway.edxml.names import CONTENT, DECLARATION
from gateway.edxml.policy import EnvelopeLimits
from gateway.edxml.reader import Read
from gateway.edxml.scan import EnvelopeScan, NotMine
from gateway.edxml.signature import SignatureParts
from gateway.errors import InvalidEnvelope
from tests.support import envelopes
from tests.support.amounts import examples
from tests.support.fast import POLICY, SIGNER, resigned

_FILES = (
    ("lon.pdf", bytes(range(256)) * 40),
    ("bang.xlsx", b"PK\x03\x04 no archive"),
    ("ghi.txt", b"ghi"),
    ("a.pdf", b""),
)


class _ShownScan(EnvelopeScan):
    """Shows the parser everything."""

    def _pass_base64(self, piece: bytes, at: int) -> int:
        return at


def _verdict(kind: type[EnvelopeScan], raw: bytes, step: int) -> tuple[SignatureParts, str, str, Read] | None:
    scan = kind(EnvelopeLimits())
    try:
        for at in range(len(DECLARATION), len(raw), step):
            scan.feed(raw[at : at + step])
        parts = scan.finish(len(raw))
        return parts, scan.body_digest, scan.file_digest, scan.builder.finish()
    except (NotMine, expat.ExpatError, UnicodeError, InvalidEnvelope):
        return None


def _holding(text: bytes) -> bytes:
    """Return a signed native envelope with that as the text of its first file."""
    head, _, tail = envelopes.split(envelopes.native(envelopes.document(_FILES), _FILES, signer=SIGNER))
    start = tail.index(CONTENT.start) + len(CONTENT.start)
    return resigned(head, tail[:start] + text + tail[tail.index(CONTENT.end, start) :])


_PIECES = st.one_of(
    st.binary(max_size=90).map(b64encode),
    st.sampled_from(
        [b"\n", b" ", b"\t", b"\r", b"]]", b"]]&gt;", b"&gt;", b">", b"&amp;", b"&", b"<", b"<!--", b"-->", b"=", b"\x00",
         b"\x7f", b"\xc4", b"\x91", "đ".encode(), b"<![CDATA[", b"]]>", b"</", CONTENT.end, CONTENT.start, b"A" * 70_000]
    ),
)  # fmt: skip


@given(parts=st.lists(_PIECES, max_size=8), step=st.sampled_from([1, 3, 7, 64, 1000, 1 << 18]))
@example(parts=[b"]]", b"QUJD", b">"], step=1)
@example(parts=[b"\xc4", b"QUJD", b"\x91"], step=1)
@settings(max_examples=examples(120))
def test_what_the_parser_is_not_shown_is_judged_as_if_it_had_been(parts: list[bytes], step: int) -> None:
    raw = _holding(b"".join(parts))
    if step < 64 and len(raw) > 60_000:
        step = 1000

    assert _verdict(EnvelopeScan, raw, step) == _verdict(_ShownScan, raw, step)


def _read(raw: bytes, *, opens: bool) -> Fast:
    parsed = read_large([raw], len(raw), POLICY, opens=opens)
    assert parsed is not None
    return parsed


def _opened(closed: Fast, raw: bytes) -> tuple[tuple[FileSlice, ...], dict[int, bytes]]:
    """Open the files as `incoming.check` does."""
    limits, files, contents = POLICY.limits, [], {}
    for part, attached in zip(closed.files, closed.envelope.attachments, strict=True):
        out = bytearray()
        text = raw[part.offset : part.offset + part.length]
        file, decoder = attachment.decode_slice(
            part, attached.attachment_name, [text[:5], text[5:]], limits, out.extend
        )
        limits = replace(limits, inflated_bytes=limits.inflated_bytes - decoder.inflated)
        files.append(file)
        if decoder.gave_out:
            contents[part.n] = bytes(out)
    return tuple(files), contents


def test_closed_files_are_proved_alike_and_are_the_same_when_they_are_opened() -> None:
    raw = envelopes.native(envelopes.document(_FILES), _FILES, signer=SIGNER)
    closed, open_at_once = _read(raw, opens=False), _read(raw, opens=True)

    files, contents = _opened(closed, raw)

    assert all(file.is_closed for file in closed.files)
    assert replace(closed, files=open_at_once.files) == open_at_once
    assert files == open_at_once.files
    assert contents[1] == _FILES[0][1]


def test_a_closed_file_whose_text_is_damaged_is_found_damaged_when_it_is_opened() -> None:
    for text in (b"not base64", b"QUJD=", b"QUJDRA=A", b"QUJDRB==", "đ".encode()):
        raw = _holding(text)
        closed, open_at_once = _read(raw, opens=False), _read(raw, opens=True)

        files, _ = _opened(closed, raw)

        assert files[0].damaged == open_at_once.files[0].damaged is not None
        assert (closed.files[0].is_closed, files[0].is_closed) == (True, False)


@given(parts=st.lists(_PIECES, max_size=4), step=st.sampled_from([1, 3, 64, 1000, 1 << 18]))
@example(parts=[b"QUJD", b"\n", b"QUJD"], step=1)
@example(parts=[b"\n", b"A" * 70_000], step=1 << 18)
@settings(max_examples=examples(60))
def test_what_stands_beside_the_files_is_read_as_the_whole_file_is_however_it_is_cut(
    parts: list[bytes], step: int
) -> None:
    raw = _holding(b"".join(parts))
    if step < 64 and len(raw) > 60_000:
        step = 1000
    pieces = [raw[at : at + step] for at in range(0, len(raw), step)]

    assert read_closed(lambda: pieces, len(raw), POLICY) == read_large([raw], len(raw), POLICY, opens=False)


def _large(text: bytes) -> bytes:
    files = (("lon.pdf", bytes(2 * canonical.MOST_SMALL)),)
    return envelopes.native(envelopes.document(files, subject=text.decode()), files, signer=SIGNER)


def test_a_large_file_that_stays_closed_is_read_once_and_by_no_stream() -> None:
    raw, opened = _large(b"ngan"), 0

    def pieces() -> list[bytes]:
        nonlocal opened
        opened += 1
        return [raw[at : at + 65_536] for at in range(0, len(raw), 65_536)]

    with patch.object(canonical, "EnvelopeScan", side_effect=AssertionError):
        parsed = read_closed(pieces, len(raw), POLICY)

    assert parsed is not None
    assert opened == 1
    assert parsed == read_large([raw], len(raw), POLICY, opens=False)


def test_with_much_beside_its_files_it_streams() -> None:
    limits = replace(POLICY.limits, header_bytes=canonical.MOST_SMALL // 2)
    raw = _large(b"ngan")
    with patch.object(canonical, "MOST_SMALL", 1000):
        parsed = read_closed(lambda: [raw], len(raw), replace(POLICY, limits=limits))

    assert parsed == read_large([raw], len(raw), POLICY, opens=False)
    assert parsed is not None


def test_another_size_than_was_announced_is_not_mine() -> None:
    raw = _large(b"ngan")
    for size in (len(raw) - 1, len(raw) + 1):
        assert read_closed(lambda: [raw], size, POLICY) is None
    assert read_closed(lambda: [raw[:-1]], len(raw), POLICY) is None
