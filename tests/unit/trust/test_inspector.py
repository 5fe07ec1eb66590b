"""The type of a file by its bytes (R10 to R12, threats 57 to 64): good files, lying files, and files made to harm."""

from __future__ import annotations

import io
import random
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pypdf import PdfWriter
from pypdf.generic import ArrayObject, DictionaryObject, NameObject, NumberObject, TextStringObject

from gateway.domain.identity import Digest
from gateway.domain.signatures import FileFacts
from gateway.errors import StoreFailure
from gateway.trust.inspector import FileInspector, InspectLimits
from gateway.words import labels
from tests.support.cases import Cases
from tests.support.printed import FOLDER

SAMPLES = FOLDER
Look = Callable[..., FileFacts]


@pytest.fixture
def look(tmp_path: Path) -> Look:
    def inspect(raw: bytes, name: str = "tệp", **limits: Any) -> FileFacts:
        path = tmp_path / "content"
        path.write_bytes(raw)
        facts = FileInspector(InspectLimits(**limits)).inspect(path, name)
        if facts.broken is not None:
            assert labels.has(f"why.{facts.broken}")
        assert all(labels.has(f"active.{kind}") for kind in facts.active)
        return facts

    return inspect


def archived(*members: tuple[zipfile.ZipInfo | str, bytes | str], method: int | None = None) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for member, raw in members:
            archive.writestr(member, raw, method)
    return stream.getvalue()


def zipped(*members: tuple[str, bytes], packed: bool = True) -> bytes:
    """With a fixed time, so that equal members make equal archives."""
    method = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    infos = [(zipfile.ZipInfo(name, (2031, 3, 4, 9, 15, 0)), raw) for name, raw in members]
    return archived(*infos, method=method)


def office(folder: str, *more: tuple[str, bytes]) -> bytes:
    return zipped(("[Content_Types].xml", b"<Types/>"), (f"{folder}/document.xml", b"<x/>"), *more)


def open_document(kind: str, *more: tuple[str, bytes]) -> bytes:
    return archived(
        ("mimetype", f"application/vnd.oasis.opendocument.{kind}"), ("content.xml", b"<x/>"), *more
    )


def pdf(
    pages: int = 1, *, password: str | None = None, change: Callable[[PdfWriter], None] | None = None
) -> bytes:
    writer = PdfWriter()
    for _ in range(pages):
        writer.add_blank_page(595, 842)
    if change is not None:
        change(writer)
    if password is not None:
        writer.encrypt(password, algorithm="AES-256")
    stream = io.BytesIO()
    writer.write(stream)
    return stream.getvalue()


def ole(*streams: str) -> bytes:
    """The smallest compound file whose one directory sector names these streams."""
    header = bytearray(512)
    header[:8] = bytes.fromhex("d0cf11e0a1b11ae1")
    struct.pack_into("<HHHH", header, 24, 0x3E, 3, 0xFFFE, 9)
    struct.pack_into("<I", header, 48, 1)
    struct.pack_into("<109I", header, 76, 0, *[0xFFFFFFFF] * 108)
    fat = struct.pack("<128I", 0xFFFFFFFD, 0xFFFFFFFE, *[0xFFFFFFFF] * 126)
    directory = b""
    for name in ("Root Entry", *streams):
        raw = (name + "\0").encode("utf-16-le")
        directory += raw.ljust(64, b"\0") + struct.pack("<H", len(raw)) + bytes(62)
    return bytes(header) + fat + directory.ljust(512, b"\0")


JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF\0" + bytes(200) + b"\xff\xd9"
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(100)


def test_the_sample_documents_are_sound_pdfs(cases: Cases) -> None:
    for sample in sorted(SAMPLES.glob("*.pdf")):
        with cases.case(sample.stem):
            facts = FileInspector().inspect(sample, sample.name)
            sound = ("pdf", None, False, ())
            assert (facts.found_type, facts.broken, facts.encrypted, facts.active) == sound
            assert facts.pages == (2 if sample.stem == "bao-cao" else 1)
            assert facts.size < 60_000


def test_a_type_is_told_by_the_bytes_and_not_by_the_name_r10(look: Look, cases: Cases) -> None:
    rows = [
        (pdf(), "a.docx", "pdf"),
        (b"\xef\xbb\xbf\r\n" + pdf(), "a.pdf", "pdf"),
        (office("word"), "a.bin", "docx"),
        (office("xl"), "a.bin", "xlsx"),
        (office("ppt"), "a.bin", "pptx"),
        (open_document("text"), "a", "odt"),
        (open_document("spreadsheet"), "a", "ods"),
        (ole("WordDocument"), "a.exe", "doc"),
        (ole("Workbook"), "a", "xls"),
        (ole("PowerPoint Document"), "a", "ppt"),
        (b"{\\rtf1\\ansi Xin ch\\'e0o}", "a.txt", "rtf"),
        ("Kính gửi\nÔng, bà\n".encode(), "a.txt", "txt"),
        ("tên,số\nMẫu,1\n".encode(), "a.csv", "csv"),
        ("Kính gửi".encode("utf-16"), "a.txt", "txt"),
        (b"C\xabng v\xa8n", "a.txt", "txt"),
        (JPEG, "a.pdf", "jpeg"),
        (PNG, "a.jpg", "png"),
        (zipped(("a.txt", b"x")), "a.docx", "zip"),
        (zipped(), "a.zip", "zip"),
        (b"Rar!\x1a\x07\x01\x00" + bytes(40), "a.zip", "rar"),
    ]
    for n, (raw, name, found_type) in enumerate(rows):
        with cases.case(f"{n}: {found_type}"):
            facts = look(raw, name)
            assert (facts.found_type, facts.broken) == (found_type, None)


def test_threat_061_what_does_not_pass_is_named(look: Look, cases: Cases) -> None:
    rows = [
        (b"MZ\x90\0" + bytes(200), "exe"),
        (b"\x7fELF" + bytes(60), "elf"),
        (b"#!/bin/sh\nrm -rf /\n", "script"),
        (b"<!DOCTYPE html><script>alert(1)</script>", "html"),
        (b"  <HTML><body onload=x>", "html"),
        (b'<svg xmlns="http://www.w3.org/2000/svg" onload="x"/>', "svg"),
        (b'<?xml version="1.0"?><a/>', "xml"),
        (b"MIME-Version: 1.0\r\nContent-Type: text/html", "mht"),
        (b"\x1f\x8b\x08" + bytes(30), "gzip"),
        (bytes(range(256)) * 4, "unknown"),
        (ole("Something"), "ole"),
        (zipped(("META-INF/MANIFEST.MF", b""), ("A.class", b"\xca\xfe")), "jar"),
        (zipped(("[Content_Types].xml", b"<x/>")), "ooxml"),
    ]
    for raw, found_type in rows:
        with cases.case(found_type):
            assert look(raw, "văn bản.pdf").found_type == found_type


def test_threat_066_an_empty_file_and_a_pdf_without_pages_are_broken_and_long_walks_are_stopped(
    look: Look,
) -> None:
    assert look(b"").broken == "empty"
    assert look(b"%PDF-1.7\nnothing here\n%%EOF").broken in ("unreadable", "no-pages")
    assert look(pdf(60), pdf_objects=50).broken == "too-long-to-read"
    assert look(pdf(60), seconds=-1).broken == "too-long-to-read"


def test_pages_are_counted_r57_once_in_a_tree_that_bites_its_tail(look: Look) -> None:
    for count in (1, 3, 250):
        assert look(pdf(count)).pages == count

    def loop(writer: PdfWriter) -> None:
        pages = writer._root_object.raw_get("/Pages")
        kids = pages.get_object()["/Kids"]
        kids.append(pages)
        pages.get_object()[NameObject("/Count")] = NumberObject(10**9)

    assert look(pdf(2, change=loop)).pages == 2


def test_a_file_with_a_password_is_encrypted_and_one_that_limits_its_owner_opens_threat_060(
    look: Look,
) -> None:
    locked, limited = look(pdf(password="mo-khoa")), look(pdf(2, password=""))

    assert (locked.encrypted, locked.pages, locked.broken) == (True, None, None)
    assert (limited.encrypted, limited.pages) == (False, 2)

    facts = look(ole("EncryptionInfo", "EncryptedPackage"), "a.docx")

    assert (facts.found_type, facts.encrypted) == ("docx", True)

    raw = patched(patched(TWO, CENTRAL, 8, "<H", 1), LOCAL, 6, "<H", 1)

    facts = look(raw)

    assert facts.encrypted
    assert facts.member_types[0] == "unknown"


def pdf_dict(**entries: Any) -> DictionaryObject:
    """A plain string is a name."""
    dictionary = DictionaryObject()
    for key, value in entries.items():
        dictionary[NameObject(f"/{key}")] = NameObject(value) if type(value) is str else value
    return dictionary


def script() -> DictionaryObject:
    return pdf_dict(S="/JavaScript", JS=TextStringObject("x"))


def javascript(writer: PdfWriter) -> None:
    """Run on opening: the catalog's name tree."""
    tree = pdf_dict(Names=ArrayObject([TextStringObject("n"), writer._add_object(script())]))
    writer._root_object[NameObject("/Names")] = pdf_dict(JavaScript=tree)


def launch(writer: PdfWriter) -> None:
    action = pdf_dict(S="/Launch", F=TextStringObject("x"))
    writer._root_object[NameObject("/OpenAction")] = writer._add_object(action)


def hidden_javascript(writer: PdfWriter) -> None:
    """Reached by clicking: page, annotation, additional action."""
    annotation = pdf_dict(Subtype="/Widget", AA=pdf_dict(E=writer._add_object(script())))
    writer.pages[0][NameObject("/Annots")] = ArrayObject([writer._add_object(annotation)])


def form(writer: PdfWriter) -> None:
    """Scripts of a form that is described in XML."""
    acro_form = pdf_dict(XFA=TextStringObject("<xdp/>"), Fields=ArrayObject())
    writer._root_object[NameObject("/AcroForm")] = writer._add_object(acro_form)


def parents_script(writer: PdfWriter) -> None:
    """The field is in no list: it is found from its widget alone."""
    field = pdf_dict(AA=pdf_dict(K=writer._add_object(script())))
    widget = pdf_dict(Subtype="/Widget", Parent=writer._add_object(field))
    writer.pages[0][NameObject("/Annots")] = ArrayObject([writer._add_object(widget)])


def attachment(writer: PdfWriter) -> None:
    writer.add_attachment("kem.xlsx", b"x")


def test_threat_064_what_a_pdf_would_run_is_named(look: Look, cases: Cases) -> None:
    kinds = [(javascript, "javascript"), (hidden_javascript, "javascript"), (form, "javascript")]
    kinds += [(parents_script, "javascript"), (launch, "launch"), (attachment, "embedded-file")]
    for change, kind in kinds:
        with cases.case(change.__name__):
            facts = look(pdf(change=change))
            assert (facts.active, facts.pages) == ((kind,), 1)


def test_a_cut_pdf_never_raises(look: Look) -> None:
    whole_file = (SAMPLES / "bao-cao.pdf").read_bytes()
    for cut in (0.1, 0.5, 0.95):
        facts = look(whole_file[: int(len(whole_file) * cut)])
        assert facts.found_type == "pdf"
        assert facts.broken is not None or facts.pages is not None


def test_an_object_stream_that_inflates_without_end_is_not_inflated(look: Look) -> None:
    bomb = zlib.compress(b"1 0 " + b" " * (64 * 1024 * 1024), 9)
    raw = b"%%PDF-1.7\n5 0 obj<</Type/ObjStm/N 1/First 4/Filter/FlateDecode/Length %d>>stream\n" % len(bomb)
    raw += bomb + b"\nendstream endobj\n"
    xref = len(raw)
    rows = struct.pack(">BHB", 0, 0, 0) + struct.pack(">BHB", 2, 5, 0)
    raw += b"6 0 obj<</Type/XRef/Size 2/W[1 2 1]/Index[0 2]/Root 1 0 R/Length %d>>stream\n" % len(rows)
    raw += rows + b"\nendstream endobj\nstartxref\n%d\n%%%%EOF" % xref

    tracemalloc.start()
    facts = look(raw)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert facts.pages is None
    assert facts.broken is not None
    assert peak < 40 * 1024 * 1024


def test_threat_063_a_file_that_also_opens_as_another_is_a_polyglot(look: Look, cases: Cases) -> None:
    archive, stored = zipped(("a.exe", b"MZ")), zipped(("a.pdf", pdf()), packed=False)
    rows = [
        (b"GIF89a" + bytes(20) + pdf(), "tệp", "junk-before"),
        (b"<b>x</b>\n" + pdf(), "tệp", "junk-before"),
        *((front + archive, "tệp", "junk-after") for front in (pdf(), JPEG, PNG, b"chi la chu\n")),
        (pdf() + b"Rar!\x1a\x07\x01\x00" + b"x" * 2000, "tệp", "junk-after"),
        (pdf() + b"\r\n" + bytes(4000), "tệp", None),
        # An archive that a reader of PDFs opens.
        (stored, "a.pdf", "junk-before"),
        (stored, "a.zip", None),
    ]
    for n, (raw, name, broken) in enumerate(rows):
        with cases.case(n):
            assert look(raw, name).broken == broken
    assert look(rows[1][0]).found_type == "pdf"


def test_the_members_of_an_archive_are_told_with_their_types_and_what_they_would_run(look: Look) -> None:
    inner = zipped(("trong/anh.jpg", JPEG), ("a.pdf", pdf()))
    raw = zipped(
        ("Tờ trình.docx", office("word")), ("kèm.zip", inner), ("rỗng/", b""), ("x.pdf", b"MZ" + bytes(99))
    )

    facts = look(raw)

    assert facts.broken is None
    assert facts.nested_depth == 2
    assert dict(zip(facts.members, facts.member_types, strict=True)) == {
        "Tờ trình.docx": "docx",
        "kèm.zip": "zip",
        "kèm.zip/trong/anh.jpg": "jpeg",
        "kèm.zip/a.pdf": "pdf",
        "x.pdf": "exe",
    }

    facts = look(zipped(("a/b.pdf", pdf(change=launch)), ("c.html", b"<html><script>x</script>")))

    assert facts.active == ("launch", "script")


def test_threat_057_058_members_are_counted_before_they_are_read_and_a_third_archive_within_is_too_deep(
    look: Look,
) -> None:
    """Those of inner archives too."""
    inner = zipped(*((f"{n}.txt", b"x") for n in range(300)))
    for count, broken in ((500, None), (501, "too-many-members")):
        assert look(zipped(*((f"{n}.txt", b"x") for n in range(count)))).broken == broken
    assert look(zipped(("1.zip", inner), ("2.zip", inner))).broken == "too-many-members"

    deep = zipped(("2.zip", zipped(("1.zip", zipped(("a.txt", b"x"))))))

    facts = look(deep)

    assert facts.broken == "too-deep"
    assert facts.nested_depth == 3


@pytest.mark.parametrize("wrap", [False, True])
def test_threat_057_a_flat_bomb_stops_at_the_ratio_in_little_memory(look: Look, wrap: bool) -> None:
    raw = zipped(("0.txt", b"0" * 64 * 1024 * 1024))
    raw = zipped(("a.zip", raw)) if wrap else raw

    tracemalloc.start()
    facts = look(raw)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert facts.broken == "ratio"
    assert peak < 8 * 1024 * 1024
    assert look(zipped(("a.txt", b"0" * 100_000))).broken is None, "short, and packs well"


def patched(raw: bytes, at: bytes, offset: int, form: str, value: int, which: int = 0) -> bytes:
    """The archive with one field of its `which`-th record of that signature changed."""
    place = -1
    for _ in range(which + 1):
        place = raw.index(at, place + 1)
    changed = bytearray(raw)
    struct.pack_into(form, changed, place + offset, value)
    return bytes(changed)


LOCAL, CENTRAL, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
MARKED = zipped(("mục.txt", b"one"))
TWO = zipped(("a.txt", b"mot hai ba bon" * 9), ("b.txt", b"nam sau" * 9))


def test_threat_059_members_and_links_that_point_out_of_an_archive_are_broken(look: Look) -> None:
    for name in ("../ra.txt", "a/../../ra.txt", "/tuyet.txt", "C:\\ra.txt", "..\\ra.txt"):
        assert look(zipped((name, b"x"))).broken == "member-name"

    assert look(named_twice("a.txt", "../ra.exe")).broken == "member-name"
    assert look(named_twice("To trinh.txt", "Tờ trình.txt")).members == ("Tờ trình.txt",)

    link = zipfile.ZipInfo("lien-ket")
    link.external_attr = 0o120777 << 16

    assert look(archived((link, "/etc/passwd"))).broken == "member-link"


def test_threat_060_an_archive_that_lies_is_broken(look: Look, cases: Cases) -> None:
    rows = [
        (zipped(("A.txt", b"x"), ("a.TXT", b"y")), "member-twice"),
        (patched(TWO, CENTRAL, 42, "<I", 0, 1), "member-header"),
        (patched(TWO, LOCAL, 26, "<H", 4), "member-header"),
        (patched(TWO, LOCAL, 8, "<H", 0), "member-header"),
        (patched(TWO, CENTRAL, 24, "<I", 5), "member-header"),
        (patched(TWO, CENTRAL, 10, "<H", 12), "member-header"),
        (patched(patched(TWO, CENTRAL, 10, "<H", 12), LOCAL, 8, "<H", 12), "member-method"),
        (patched(TWO, CENTRAL, 6, "<H", 148), "member-method"),
        (patched(patched(TWO, CENTRAL, 16, "<I", 7), LOCAL, 14, "<I", 7), "member-header"),
        (patched(MARKED, LOCAL, 6, "<H", 0), "member-header"),
        (patched(MARKED, CENTRAL, 8, "<H", 0), "member-header"),
        (patched(patched(TWO, LOCAL, 6, "<H", 0x20), CENTRAL, 8, "<H", 0x20), "member-method"),
        (MARKED.replace("ụ".encode(), b"\xe1\xbb\x25"), "member-name"),
        (patched(TWO, END, 10, "<H", 1), "member-header"),
        (patched(patched(TWO, END, 10, "<H", 9), END, 8, "<H", 9), "member-header"),
        (patched(patched(TWO, END, 10, "<H", 60_000), END, 8, "<H", 60_000), "too-many-members"),
        (patched(TWO, END, 16, "<I", 0xFFFFFFFF), "too-many-members"),
        (TWO + b"rac", "junk-after"),
        (LOCAL + b"rac" + TWO, "junk-before"),
        (TWO[:-30], "truncated"),
        (TWO[:40], "truncated"),
    ]
    for n, (raw, why) in enumerate(rows):
        with cases.case(f"{n}: {why}"):
            assert look(raw).broken == why


def test_threat_057_members_that_share_their_bytes_are_a_bomb(look: Look) -> None:
    """Two directory entries, one body: the way to a thousand-fold bomb of a few kilobytes."""
    archive_bytes = zipped(("a.txt", b"mot hai ba bon" * 9))
    directory = archive_bytes.index(CENTRAL)
    end = archive_bytes.index(END)
    entry = archive_bytes[directory:end]
    other = entry.replace(b"a.txt", b"b.txt")
    local = archive_bytes[:directory].replace(b"a.txt", b"b.txt")
    # the second local header lies inside the first member's bytes
    host = zipped(("a.txt", local), packed=False)
    at = host.index(local, 1)
    other = other[:42] + struct.pack("<I", at) + other[46:]
    host_directory = host.index(CENTRAL, at + len(local))
    host_end = host.index(END, host_directory)
    body = host[:host_end] + other
    tail = bytearray(host[host_end:])
    struct.pack_into("<HHI", tail, 8, 2, 2, host_end - host_directory + len(other))

    assert look(body + bytes(tail)).broken == "member-overlap"


def test_threat_060_a_directory_with_more_entries_than_it_counts_is_broken(look: Look) -> None:
    """Programs that read it to its end unpack a member that was never looked at."""
    inner = zipped(("ra.exe", b"MZ" * 9), packed=False)
    local, entry = inner[: inner.index(CENTRAL)], inner[inner.index(CENTRAL) : inner.index(END)]
    host = zipped(("a.txt", local), packed=False)
    directory, end = host.rindex(CENTRAL), host.rindex(END)
    entry = entry[:42] + struct.pack("<I", host.index(local)) + entry[46:]
    tail = bytearray(host[end:])
    struct.pack_into("<I", tail, 12, end - directory + len(entry))
    raw = host[:end] + entry + bytes(tail)
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        assert archive.namelist() == ["a.txt", "ra.exe"]

    assert look(raw).broken == "member-header"


def test_threat_060_a_folder_that_has_content_or_bytes_between_members_are_no_part_of_an_archive(
    look: Look,
) -> None:
    """The inspector does not look into a folder; some programs unpack it as a file."""
    for packed in (True, False):
        full, empty = (zipped(("a/", raw), ("a/b.txt", b"x"), packed=packed) for raw in (b"MZ" * 9, b""))
        assert (look(full).broken, look(empty).broken) == ("member-header", None)

    # A reader from the front takes a local header there for a member that the directory does not name.
    second = TWO.index(LOCAL, 1)
    for hidden in (zipped(("a.exe", b"MZ"))[:60], b"x"):
        raw = bytearray(TWO[:second] + hidden + TWO[second:])
        entry = raw.index(CENTRAL, raw.index(CENTRAL) + 1)
        struct.pack_into("<I", raw, entry + 42, second + len(hidden))
        struct.pack_into("<I", raw, raw.index(END) + 16, TWO.index(CENTRAL) + len(hidden))
        assert look(bytes(raw)).broken == "member-header"


def test_threat_060_an_archive_written_as_a_stream_is_sound(look: Look) -> None:
    """Its sizes stand behind each member's bytes."""

    class Unseekable(io.BytesIO):
        def seekable(self) -> bool:
            return False

    stream = Unseekable()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in ("a.txt", "b.txt"):
            with archive.open(name, "w") as member:
                member.write(b"mot hai ba" * 50)

    assert look(stream.getvalue()).broken is None


def named_twice(plain_name: str, unicode_name: str) -> bytes:
    """A member with a plain name, and another one in the field for Unicode names."""
    raw = plain_name.encode()
    field = b"\x01" + struct.pack("<I", zlib.crc32(raw)) + unicode_name.encode()
    member = zipfile.ZipInfo(plain_name, (2031, 3, 4, 9, 15, 0))
    member.extra = struct.pack("<HH", 0x7075, len(field)) + field
    return archived((member, b"x"))


def test_threat_059_nothing_is_written_beside_the_file_and_one_that_is_not_there_is_the_stores_fault(
    look: Look, tmp_path: Path
) -> None:
    look(zipped(("a.zip", zipped(("b.pdf", pdf()))), ("c.txt", b"x" * 3_000_000)))

    assert [path.name for path in tmp_path.iterdir()] == ["content"]

    with pytest.raises(StoreFailure, match="khong-co"):
        FileInspector().inspect(tmp_path / "khong-co", "a.pdf")


def test_threat_064_macros_and_embedded_objects_are_named(look: Look, cases: Cases) -> None:
    rows = [
        (office("word", ("word/vbaProject.bin", b"x")), "a.docx", "docm", "macro"),
        (office("xl", ("xl/vbaProject.bin", b"x")), "a.xlsx", "xlsm", "macro"),
        (office("xl", ("xl/macrosheets/sheet1.xml", b"<x/>")), "a.xlsx", "xlsm", "macro"),
        (office("word", ("word/embeddings/o.bin", b"x")), "a.docx", "docx", "embedded-file"),
        (open_document("text", ("Basic/Standard/m.xml", b"x")), "a.odt", "odt", "macro"),
        (ole("WordDocument", "Macros"), "a.doc", "doc", "macro"),
        (ole("Workbook", "_VBA_PROJECT_CUR"), "a.xls", "xls", "macro"),
        (ole("WordDocument", "\x01Ole10Native"), "a.doc", "doc", "embedded-file"),
        (b"{\\rtf1{\\object\\objdata 0105}}", "a.rtf", "rtf", "embedded-file"),
    ]
    for n, (raw, name, found_type, active) in enumerate(rows):
        with cases.case(f"{n}: {name}"):
            facts = look(raw, name)
            assert (facts.found_type, facts.active, facts.members) == (found_type, (active,), ())


@cache
def good(which: int) -> bytes:
    return (pdf(2), TWO, office("word"), ole("WordDocument"), zipped(("a.zip", TWO), ("b.pdf", pdf())))[which]


@given(which=st.sampled_from(range(5)), seed=st.integers(0, 2**32))
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_damage_makes_it_raise(look: Look, which: int, seed: int) -> None:
    dice = random.Random(seed)
    raw = bytearray(good(which))
    for _ in range(dice.randrange(1, 6)):
        at = dice.randrange(len(raw))
        act = dice.randrange(3)
        if act == 0:
            raw[at] = dice.randrange(256)
        elif act == 1:
            del raw[at : at + dice.randrange(1, 40)]
        else:
            raw[at:at] = raw[max(0, at - dice.randrange(1, 60)) : at]
        raw = raw or bytearray(b"x")

    assert look(bytes(raw)).size == len(raw)


@given(
    raw=st.binary(max_size=2000),
    front=st.sampled_from([b"", b"%PDF-1.4\n", LOCAL, END, bytes.fromhex("d0cf11e0a1b11ae1")]),
)
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_make_it_raise(look: Look, raw: bytes, front: bytes) -> None:
    assert look(front + raw).size == len(front + raw)


def test_a_file_is_looked_at_once_for_each_content_and_name(tmp_path: Path) -> None:
    """A look that ran out of time is repeated."""
    inspector, path = FileInspector(), tmp_path / "content"
    path.write_bytes(b"a;b\n1;2\n")
    digest = Digest(sha256(path.read_bytes()).hexdigest())
    first = inspector.inspect(path, "a.csv", digest=digest)
    path.unlink()

    assert inspector.inspect(path, "a.csv", digest=digest) == first
    for name, reads_page in (("a.txt", False), ("a.csv", True)):
        with pytest.raises(StoreFailure):
            inspector.inspect(path, name, reads_page=reads_page, digest=digest)

    path = tmp_path / "content"
    path.write_bytes(next(SAMPLES.glob("*.pdf")).read_bytes())
    digest = Digest(sha256(path.read_bytes()).hexdigest())
    inspector = FileInspector(InspectLimits(seconds=0.0))

    assert inspector.inspect(path, "a.pdf", digest=digest).broken == "too-long-to-read"
    path.unlink()
    with pytest.raises(StoreFailure):
        inspector.inspect(path, "a.pdf", digest=digest)
