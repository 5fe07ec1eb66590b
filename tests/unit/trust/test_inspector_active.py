"""What a file would run, fetch or hide (threats 63, 64), and the text of a first page (R2)."""

from __future__ import annotations

import io
import random
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pypdf import PdfWriter
from pypdf.generic import ArrayObject, DictionaryObject, NameObject, StreamObject, TextStringObject

from gateway.trust.inspector import FileInspector
from tests.unit.trust.test_inspector import SAMPLES, Look, office, ole, pdf, zipped
from tests.unit.trust.test_inspector import look as look


def relation(kind: str, mode: str) -> bytes:
    return (
        f'<Relationships><Relationship Id="r1" Type="http://example.invalid/relationships/{kind}" '
        f'Target="http://example.invalid/x" {mode}/></Relationships>'
    ).encode()


FAR = 'TargetMode="External"'
_HIDING = b'TargetMode="External" Type="http://example.invalid/relationships/attachedTemplate"'


@pytest.mark.parametrize(
    ("part", "active"),
    [
        (("word/_rels/settings.xml.rels", relation("attachedTemplate", FAR)), ("remote-content",)),
        (("word/_rels/document.xml.rels", relation("oleObject", FAR)), ("remote-content",)),
        (
            ("word/_rels/document.xml.rels", relation("oleObject", FAR).decode().encode("utf-16")),
            ("remote-content",),
        ),
        (
            ("word/_rels/document.xml.rels", relation("frame", FAR.replace("E", "&#x45;"))),
            ("remote-content",),
        ),
        (("word/_rels/document.xml.rels", relation("hyperlink", FAR)), ()),
        (("word/_rels/document.xml.rels", relation("image", FAR)), ()),
        (("word/_rels/document.xml.rels", relation("oleObject", "")), ("embedded-file",)),
        (("word/_rels/document.xml.rels", relation("package", "")), ("embedded-file",)),
        (("word/_rels/document.xml.rels", relation("styles", "")), ()),
        (
            # What may stand between the attributes' quotes ends no element.
            ("word/_rels/settings.xml.rels", b'<Relationships><r-1:Relationship Id="1>2" ' + _HIDING + b"/>"),
            ("remote-content",),
        ),
        (
            (
                "word/_rels/settings.xml.rels",
                b'<Relationships><Relationship Target="http://example.invalid/&lt;relationship " '
                + _HIDING
                + b"/>",
            ),
            ("remote-content",),
        ),
        (
            (
                "word/_rels/settings.xml.rels",
                b'<Relationships><Relationship Target="http://example.invalid/\xe3\xb0\xbc>" '.decode().encode(
                    "utf-16"
                )
                + _HIDING.decode().encode("utf-16-le")
                + "/>".encode("utf-16-le"),
            ),
            ("remote-content",),
        ),
        (("word/_rels/document.xml.rels", relation("vbaProject", "")), ("macro",)),
        (("word/harmless.bin", b"vbaProject"), ()),
    ],
)
def test_threat_064_what_an_office_document_fetches_or_hides_under_another_name_is_named(
    look: Look, part: tuple[str, bytes], active: tuple[str, ...]
) -> None:
    assert look(office("word", part)).active == active


def test_threat_064_what_stands_behind_a_long_empty_space_is_not_left_out(look: Look) -> None:
    padded = b" " * (5 * 1024 * 1024) + relation("attachedTemplate", FAR)
    noise = ("word/media/a.bin", random.Random(7).randbytes(200_000))

    assert look(office("word", ("word/_rels/settings.xml.rels", padded), noise)).broken == "too-long-to-read"


def test_threat_064_macros_of_old_spreadsheets_are_named(look: Look) -> None:
    assert look(office("xl", ("xl/macrosheets/sheet1.xml", b"<x/>"))).active == ("macro",)


@pytest.mark.parametrize(
    "word",
    [
        b"\\objupdate",
        b"\\objautlink",
        b"{\\*\\template http://example.invalid}",
        b"{\\*\r\n\\template http://example.invalid}",
    ],
)
def test_threat_064_an_rtf_that_fetches_is_named(look: Look, word: bytes) -> None:
    assert look(b"{\\rtf1 " + b"x" * 262_140 + word + b"}").active == ("remote-content",)


def far_directory(streams: list[str], *, sectors: int) -> bytes:
    """A compound file whose directory lies behind so many sectors that its table is told in a chain of its own."""
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


def test_threat_064_macros_behind_the_first_seven_megabytes_are_named(look: Look) -> None:
    names = ["Root Entry", "WordDocument", "a", "b", "Macros"]

    facts = look(far_directory(names, sectors=14_000), "a.doc")

    assert (facts.found_type, facts.active) == ("doc", ("macro",))


def test_threat_064_a_directory_without_end_is_not_believed(look: Look) -> None:
    raw = bytearray(ole("WordDocument"))
    struct.pack_into("<I", raw, 512 + 4, 1)  # the directory's sector follows itself

    assert look(bytes(raw)).broken == "too-long-to-read"


def test_threat_064_an_object_that_carries_a_program_is_named(look: Look) -> None:
    assert look(ole("WordDocument", "\x01Ole10Native")).active == ("embedded-file",)


def form(writer: PdfWriter) -> None:
    """Scripts of a form that is described in XML."""
    made = DictionaryObject(
        {NameObject("/XFA"): TextStringObject("<xdp/>"), NameObject("/Fields"): ArrayObject()}
    )
    writer._root_object[NameObject("/AcroForm")] = writer._add_object(made)


def parents_script(writer: PdfWriter) -> None:
    """The field is in no list: it is found from its widget alone."""
    action = DictionaryObject(
        {NameObject("/S"): NameObject("/JavaScript"), NameObject("/JS"): TextStringObject("x")}
    )
    field = DictionaryObject(
        {NameObject("/AA"): DictionaryObject({NameObject("/K"): writer._add_object(action)})}
    )
    widget = DictionaryObject(
        {NameObject("/Subtype"): NameObject("/Widget"), NameObject("/Parent"): writer._add_object(field)}
    )
    writer.pages[0][NameObject("/Annots")] = ArrayObject([writer._add_object(widget)])


@pytest.mark.parametrize("change", [form, parents_script])
def test_threat_064_a_script_that_only_a_form_leads_to_is_named(
    look: Look, change: Callable[[PdfWriter], None]
) -> None:
    assert look(pdf(change=change)).active == ("javascript",)


def test_threat_063_much_behind_the_end_of_a_pdf_is_another_file(look: Look) -> None:
    assert look(pdf() + b"Rar!\x1a\x07\x01\x00" + b"x" * 2000).broken == "junk-after"
    assert look(pdf() + b"\r\n" + bytes(4000)).broken is None


def test_threat_063_an_archive_that_a_pdf_reader_opens_is_no_pdf(look: Look) -> None:
    raw = zipped(("a.pdf", pdf()), packed=False)

    assert look(raw, "a.pdf").broken == "junk-before"
    assert look(raw, "a.zip").broken is None


def written(text: str, depth: int = 0) -> bytes:
    """A page whose text stands in forms within forms, each shown ten times by the one around it."""
    writer = PdfWriter()
    page = writer.add_blank_page(595, 842)
    font = DictionaryObject(
        {
            NameObject(k): NameObject(v)
            for k, v in (("/Type", "/Font"), ("/Subtype", "/Type1"), ("/BaseFont", "/Courier"))
        }
    )
    resources = DictionaryObject({NameObject("/Font"): DictionaryObject({NameObject("/F"): font})})
    content = f"BT /F 12 Tf 100 700 Td ({text}) Tj ET".encode()
    for _ in range(depth):
        shown = StreamObject()
        shown.set_data(content)
        shown.update(
            {NameObject("/Type"): NameObject("/XObject"), NameObject("/Subtype"): NameObject("/Form")}
        )
        shown[NameObject("/Resources")] = resources
        inner = DictionaryObject({NameObject("/X"): writer._add_object(shown)})
        resources = DictionaryObject({NameObject("/XObject"): inner})
        content = b"/X Do\n" * 10
    drawn = StreamObject()
    drawn.set_data(content)
    page[NameObject("/Resources")] = resources
    page[NameObject("/Contents")] = writer._add_object(drawn)
    made = io.BytesIO()
    writer.write(made)
    return made.getvalue()


def first_page(raw: bytes, folder: Path) -> str:
    (folder / "content").write_bytes(raw)
    return FileInspector().inspect(folder / "content", "a.pdf", reads_page=True).first_page


def test_the_text_of_the_first_page_is_read_where_it_is_asked_for(look: Look, tmp_path: Path) -> None:
    sample = (SAMPLES / "giay-moi.pdf").read_bytes()

    assert "HỎA TỐC" in first_page(sample, tmp_path).splitlines()
    assert "xin chao" in first_page(written("xin chao"), tmp_path)
    assert look(sample).first_page == ""


def test_a_page_that_is_made_to_take_for_ever_is_left(tmp_path: Path) -> None:
    began = time.process_time()

    first_page(written("xin chao", depth=12), tmp_path)

    assert time.process_time() - began < 15
