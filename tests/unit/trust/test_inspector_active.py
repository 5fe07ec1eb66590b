"""The inspector finds content of a file that runs, fetches or hides (threats 63, 64), and the text of a first page (R2)."""

from __future__ import annotations

import io
import random
import struct
from pathlib import Path

from pypdf import PdfWriter
from pypdf.generic import NameObject, StreamObject

from gateway.trust.inspector import FileInspector
from tests.support.cases import Cases
from tests.unit.trust.test_inspector import SAMPLES, Look, office, ole, pdf_dict
from tests.unit.trust.test_inspector import look as look


def relation(kind: str, mode: str) -> bytes:
    return (
        f'<Relationships><Relationship Id="r1" Type="http://example.invalid/relationships/{kind}" '
        f'Target="http://example.invalid/x" {mode}/></Relationships>'
    ).encode()


FAR = 'TargetMode="External"'
_HIDING = b'TargetMode="External" Type="http://example.invalid/relationships/attachedTemplate"'


def test_threat_064_what_an_office_document_fetches_or_hides_under_another_name_is_named(
    look: Look, cases: Cases
) -> None:
    begun, wide = b"<Relationships><Relationship ", _HIDING.decode() + "/>"
    odd = begun.decode() + b'Target="http://example.invalid/\xe3\xb0\xbc>" '.decode()
    rows = [
        ("settings.xml.rels", relation("attachedTemplate", FAR), "remote-content"),
        ("document.xml.rels", relation("oleObject", FAR), "remote-content"),
        ("document.xml.rels", relation("oleObject", FAR).decode().encode("utf-16"), "remote-content"),
        ("document.xml.rels", relation("frame", FAR.replace("E", "&#x45;")), "remote-content"),
        ("document.xml.rels", relation("hyperlink", FAR), None),
        ("document.xml.rels", relation("image", FAR), None),
        ("document.xml.rels", relation("oleObject", ""), "embedded-file"),
        ("document.xml.rels", relation("package", ""), "embedded-file"),
        ("document.xml.rels", relation("styles", ""), None),
        ("document.xml.rels", relation("vbaProject", ""), "macro"),
        # Characters that may stand between the attributes' quotes end no element.
        (
            "settings.xml.rels",
            b'<Relationships><r-1:Relationship Id="1>2" ' + _HIDING + b"/>",
            "remote-content",
        ),
        (
            "settings.xml.rels",
            begun + b'Target="http://example.invalid/&lt;relationship " ' + _HIDING + b"/>",
            "remote-content",
        ),
        ("settings.xml.rels", odd.encode("utf-16") + wide.encode("utf-16-le"), "remote-content"),
    ]
    for n, (name, raw, active) in enumerate(rows):
        with cases.case(f"{n}: {name}"):
            assert look(office("word", (f"word/_rels/{name}", raw))).active == ((active,) if active else ())
    assert look(office("word", ("word/harmless.bin", b"vbaProject"))).active == ()


def test_threat_064_an_rtf_that_fetches_is_named_and_what_stands_behind_a_long_empty_space_is_not_left_out(
    look: Look,
) -> None:
    template = (b"{\\*\\template http://example.invalid}", b"{\\*\r\n\\template http://example.invalid}")
    for word in (b"\\objupdate", b"\\objautlink", *template):
        assert look(b"{\\rtf1 " + b"x" * 262_140 + word + b"}").active == ("remote-content",)

    padded = b" " * (5 * 1024 * 1024) + relation("attachedTemplate", FAR)
    noise = ("word/media/a.bin", random.Random(7).randbytes(200_000))

    assert look(office("word", ("word/_rels/settings.xml.rels", padded), noise)).broken == "too-long-to-read"


def far_directory(streams: list[str], *, sectors: int) -> bytes:
    """Build a compound file whose directory lies behind so many sectors that its table has a chain of its own."""
    rows = 128
    tables = -(-(sectors + 4) // rows) + 1
    plain, more = tables - 109, sectors
    directory_at = tables + 1 + more
    table = [0xFFFFFFFD] * (tables + 1) + [0xFFFFFFFE] * more + [directory_at + 1, 0xFFFFFFFE]
    table += [0xFFFFFFFF] * (tables * rows - len(table))
    header = bytearray(512)
    header[:8] = bytes.fromhex("d0cf11e0a1b11ae1")
    struct.pack_into("<HHHH", header, 24, 0x3E, 3, 0xFFFE, 9)
    struct.pack_into("<I", header, 48, directory_at)
    struct.pack_into("<II", header, 68, tables, 1)
    struct.pack_into("<109I", header, 76, *range(109))
    chain = [*range(109, 109 + plain), *[0xFFFFFFFF] * (127 - plain), 0xFFFFFFFE]
    entries = b""
    for name in streams:
        raw = (name + "\0").encode("utf-16-le")
        entries += raw.ljust(64, b"\0") + struct.pack("<H", len(raw)) + bytes(62)
    body = struct.pack(f"<{len(table)}I", *table) + struct.pack("<128I", *chain) + bytes(more * 512)
    return bytes(header) + body + entries.ljust(1024, b"\0")


def test_threat_064_macros_behind_seven_megabytes_are_named_and_a_directory_without_end_is_refused(
    look: Look,
) -> None:
    names = ["Root Entry", "WordDocument", "a", "b", "Macros"]

    facts = look(far_directory(names, sectors=14_000), "a.doc")

    assert (facts.found_type, facts.active) == ("doc", ("macro",))

    raw = bytearray(ole("WordDocument"))
    struct.pack_into("<I", raw, 512 + 4, 1)  # the directory's sector follows itself

    assert look(bytes(raw)).broken == "too-long-to-read"


def nested_form_pdf(text: str, depth: int = 0) -> bytes:
    """Build a page whose text stands in forms within forms, each shown ten times by the one around it."""
    writer = PdfWriter()
    page = writer.add_blank_page(595, 842)
    font = pdf_dict(Type="/Font", Subtype="/Type1", BaseFont="/Courier")
    resources = pdf_dict(Font=pdf_dict(F=font))
    content = f"BT /F 12 Tf 100 700 Td ({text}) Tj ET".encode()
    for _ in range(depth):
        form = StreamObject()
        form.set_data(content)
        form.update(pdf_dict(Type="/XObject", Subtype="/Form", Resources=resources))
        resources = pdf_dict(XObject=pdf_dict(X=writer._add_object(form)))
        content = b"/X Do\n" * 10
    drawn = StreamObject()
    drawn.set_data(content)
    page[NameObject("/Resources")] = resources
    page[NameObject("/Contents")] = writer._add_object(drawn)
    stream = io.BytesIO()
    writer.write(stream)
    return stream.getvalue()


def first_page(raw: bytes, folder: Path) -> str:
    (folder / "content").write_bytes(raw)
    return FileInspector().inspect(folder / "content", "a.pdf", reads_page=True).first_page


def test_the_text_of_the_first_page_is_read_where_it_is_asked_for(look: Look, tmp_path: Path) -> None:
    sample = (SAMPLES / "giay-moi.pdf").read_bytes()

    assert "HỎA TỐC" in first_page(sample, tmp_path).splitlines()
    assert "xin chao" in first_page(nested_form_pdf("xin chao"), tmp_path)
    assert look(sample).first_page == ""


def test_a_page_that_is_made_to_take_for_ever_is_left(tmp_path: Path) -> None:
    """Its text is shown a million million times."""
    assert first_page(nested_form_pdf("xin chao", depth=12), tmp_path).count("xin chao") < 10**6
