"""One attachment between its file and its base64 text: out as every known reader opens it, in by its
bytes and never by its labels, with damage reported and never raised."""

from __future__ import annotations

import io
import os
import struct
import tracemalloc
import zipfile
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.edxml.attachment import (
    Decoded,
    Decoder,
    coding_for,
    decoded_pieces,
    encoded_pieces,
    is_entry_name,
    wire_name,
)
from gateway.edxml.policy import EnvelopeLimits
from gateway.errors import CannotOpen
from tests.support.cases import Cases

AT = datetime(2031, 3, 4, 9, 15, 0)
UUID = "3f0c1a52-6d1e-4c55-9a1b-0d2f4e6a8b10"


def encode(name: str, raw: bytes, piece: int = 1 << 16) -> bytes:
    end = name.rpartition(".")[2]
    pieces = [raw[at : at + piece] for at in range(0, len(raw), piece)]
    return b"".join(encoded_pieces(name, f"{UUID}.{end}", pieces, AT))


def decode(
    name: str | None, text: bytes | str, piece: int = 1 << 16, limits: EnvelopeLimits | None = None
) -> Decoded:
    text = text.encode() if isinstance(text, str) else text
    decoder = Decoder(name, limits or EnvelopeLimits())
    for at in range(0, len(text), piece):
        decoder.feed(text[at : at + piece])
    return decoder.finish()


def archive(*entries: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as zipped:
        for name, raw in entries:
            zipped.writestr(name, raw)
    return out.getvalue()


def test_threat_072_base64_is_coded_as_both_vendors_read_with_white_space_anywhere_and_in_any_pieces() -> (
    None
):
    """A ZIP in capitals gets the name that older builds do not zip again."""
    types = {"a.pdf": "application/pdf", "a.PDF": "application/pdf", "a.zip": "application/zip"}
    assert {name: coding_for(name) for name in types} == {name: ("raw", kind) for name, kind in types.items()}
    for name in ("a.docx", "hai.chấm.xlsx", "không đuôi"):
        assert coding_for(name) == ("zip", "application/zip")
    assert wire_name("Hồ sơ.ZIP") == "Hồ sơ.zip"
    assert wire_name("Hồ sơ.PDF") == "Hồ sơ.PDF"

    raw = b"x" * 10_000
    assert encode("a.pdf", raw, 1) == encode("a.pdf", raw, 7) == b64encode(raw)
    assert decode("a.txt", encode("a.txt", raw, 7)) == decode("a.txt", encode("a.txt", raw, 4096))

    text = b64encode(b"0123456789" * 50).decode()
    spaced = "\r\n".join(text[at : at + 76] for at in range(0, len(text), 76)) + " \t\n"
    digests = {decode("a.pdf", spaced, piece).sha256 for piece in (1, 2, 3, 5, 76, 1 << 16)}
    assert digests == {sha256(b"0123456789" * 50).hexdigest()}

    empty = decode("a.pdf", "")
    assert (empty.size, empty.damaged) == (0, None)


def test_what_is_zipped_is_a_plain_zip_of_one_deflated_entry_with_flags_0808() -> None:
    raw = os.urandom(5000) + b"a" * 5000

    stored = b64decode(encode("a.txt", raw), validate=True)

    assert stored[6:8] == b"\x08\x08"
    with zipfile.ZipFile(io.BytesIO(stored)) as zipped:
        (entry,) = zipped.infolist()
        assert (entry.filename, entry.compress_type) == (f"{UUID}.txt", zipfile.ZIP_DEFLATED)
        assert entry.date_time == (2031, 3, 4, 9, 15, 0)
        assert zipped.testzip() is None
        assert zipped.read(entry) == raw


@given(
    raw=st.binary(max_size=3000),
    name=st.sampled_from(["a.pdf", "a.txt", "a.docx", "a.zip", "a.jpg", "a"]),
    piece=st.integers(1, 500),
)
def test_what_is_encoded_decodes_to_the_same_file(raw: bytes, name: str, piece: int) -> None:
    end = "unk" if name == "a" else name[2:]
    text = b"".join(encoded_pieces(name, f"{UUID}.{end}", [raw], AT))
    coding = coding_for(name)[0]

    file = decode(name, text, piece)
    back = b"".join(decoded_pieces([text[at : at + piece] for at in range(0, len(text), piece)], coding))

    assert file.damaged is None
    assert (file.coding, file.size, file.sha256) == (coding, len(raw), sha256(raw).hexdigest())
    assert back == raw


def test_threat_072_text_that_is_not_strict_base64_is_damaged(cases: Cases) -> None:
    """Two texts that decode to one file would be two forms of one signed content."""
    for text in (
        *("ab-_", "QUJD!", "QUI", "QQ", "Q", "QUI=QUI=", "QR==", "QUJ=", "====", "=", "QUI==", "QU\u00a0JD"),
        *("Ａ===", "${x}"),
    ):
        for piece in (1, 3, 100):
            with cases.case((text, piece)):
                file = decode("a.pdf", text, piece)
                assert file.damaged is not None
                assert file.sha256 is None
    with pytest.raises(CannotOpen):
        b"".join(decoded_pieces([b"not base64 at all!"], "raw"))


def test_a_zip_is_opened_whatever_its_label_method_or_late_name_says() -> None:
    for name in ("a.txt", "a.pdf", "a.PDF", "a", "a.b.unknown", None):
        file = decode(name, b64encode(archive(("x.bin", b"content"))))
        assert (file.coding, file.size, file.damaged) == ("zip", 7, None), name
        assert file.sha256 == sha256(b"content").hexdigest()

    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        stored = b64encode(archive(("x.txt", b"content" * 100), method=method))
        assert {decode("a.txt", stored, piece).size for piece in (1, 10, 1 << 16)} == {700}

    stored = archive(("word/document.xml", b"inner"))
    decoder = Decoder(None, EnvelopeLimits())
    decoder.feed(b64encode(stored))
    assert decoder.finish("a.docx").coding == "raw"


def test_a_zip_based_file_is_opened_only_when_its_one_entry_is_named_as_a_wrapper_names_it() -> None:
    wrapped = ([f"{UUID}.docx"], [f"{UUID}.DOCX"], [f"{UUID.replace('-', '')}.docx"])
    not_wrapped = (
        *([f"{UUID}.xlsx"], ["report.docx"], ["word/document.xml", "[Content_Types].xml"]),
        [f"{UUID}.docx", "b.docx"],
    )
    for names in (*wrapped, *not_wrapped):
        stored = archive(*((name, b"inner") for name in names))
        file = decode("a.docx", b64encode(stored))
        coding, content = ("zip", b"inner") if names in wrapped else ("raw", stored)
        assert (file.coding, file.damaged) == (coding, None), names
        assert file.sha256 == sha256(content).hexdigest()


def _broken() -> Iterator[tuple[str, bytes]]:
    good = archive(("x.txt", b"content" * 100))
    central = good.index(b"PK\x01\x02")
    end = good.index(b"PK\x05\x06")
    yield "two entries", archive(("x.txt", b"a"), ("y.txt", b"b"))
    yield "cut in the entry", good[:50]
    yield "cut before the directory", good[:central]
    yield "cut before the end record", good[:end]
    yield "cut in the end record", good[:-1]
    yield "one byte too many", good + b"\0"
    yield "another checksum", good[:14] + bytes([good[14] ^ 1]) + good[15:]
    yield "another checksum in the directory", good[: central + 16] + b"\0\0\0\0" + good[central + 20 :]
    yield "another name in the directory", good[: central + 46] + b"y" + good[central + 47 :]
    yield "another offset", good[: end + 16] + struct.pack("<L", 7) + good[end + 20 :]
    yield "encrypted", good[:6] + b"\x01" + good[7:]
    yield "method 99", good[:8] + b"\x63" + good[9:]
    yield "damaged data", good[:40] + bytes(8) + good[48:]
    yield "only its mark", b"PK\x03\x04"


def test_threat_073_a_damaged_archive_is_reported_and_never_raised(cases: Cases) -> None:
    for name, stored in _broken():
        text = b64encode(stored)
        for piece in (1, 1 << 16):
            with cases.case((name, piece)):
                file = decode("a.txt", text, piece)
                assert file.damaged is not None
                facts = (file.coding, file.size, file.sha256)
                assert facts == ("zip", len(stored), sha256(stored).hexdigest())
                with pytest.raises(CannotOpen):
                    b"".join(decoded_pieces([text], "zip"))


@given(st.data())
def test_no_change_of_one_byte_of_an_archive_is_read_as_another_file(data: st.DataObject) -> None:
    content = b"content " * 20
    stored = bytearray(archive(("x.txt", content)))
    at = data.draw(st.integers(4, len(stored) - 1))
    stored[at] ^= data.draw(st.integers(1, 255))

    file = decode("a.txt", b64encode(stored))

    assert file.damaged is not None or file.sha256 == sha256(content).hexdigest()


def test_threat_073_an_archive_that_unpacks_to_too_much_is_stopped_at_the_limit() -> None:
    stored = archive(("x.txt", bytes(10_000_000)))
    limits = replace(EnvelopeLimits(), inflated_bytes=1_000_000)
    decoder = Decoder("a.txt", limits)

    decoder.feed(b64encode(stored))

    assert "more than 1000000 bytes" in (decoder.finish().damaged or "")
    assert decoder.inflated < 1_500_000


def test_threat_073_memory_stays_bounded_for_a_bomb_and_for_a_large_file() -> None:
    bomb = b64encode(archive(("x.txt", bytes(60_000_000))))
    tracemalloc.start()
    try:
        decoder = Decoder("a.txt", EnvelopeLimits())
        decoder.feed(bomb)
        file = decoder.finish()
        text = encoded_pieces("a.bin", f"{UUID}.bin", (bytes(65_536) for _ in range(400)), AT)
        for _ in decoded_pieces(text, "zip"):
            pass
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert file.size == 60_000_000
    assert peak < 6_000_000


def test_an_entry_name_is_a_uuid_and_the_files_own_extension() -> None:
    assert is_entry_name(f"{UUID}.txt", "a.txt")
    assert is_entry_name(f"{UUID}.unk", "a")
    for entry in (f"{UUID}.pdf", "a.txt", f"../{UUID}.txt", f"{UUID}.txt\n"):
        assert not is_entry_name(entry, "a.txt")
