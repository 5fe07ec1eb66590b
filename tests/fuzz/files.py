"""What a file is, by its bytes: archives and office files (`archive`), PDFs (`pdf`). The inspector never raises, keeps its
limits, and calls an archive sound only where another reader of ZIP files finds the same in it."""

from __future__ import annotations

import io
import os
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from pypdf import PdfWriter
from pypdf.generic import DictionaryObject, NameObject, TextStringObject

from gateway.domain.signatures import FileFacts
from gateway.trust.inspector import FileInspector, InspectLimits
from gateway.words import labels
from tests.fuzz.target import Target

_LIMITS = InspectLimits(nested_bytes=1024 * 1024, pdf_objects=2_000)
_INSPECTOR = FileInspector(_LIMITS)
_NAMES = ("a.zip", "a.docx", "a.pdf", "a.xls", "a.odt", "a", "a.rtf", "a.jar")
_PLACE = Path(tempfile.gettempdir()) / f"gateway-fuzz-{os.getpid()}"


def _inspected(data: bytes, name: str) -> FileFacts:
    """What the inspector says of a file with these bytes; of one that lies in memory where there is such a place."""
    memory = Path("/dev/shm")  # noqa: S108 - only where the bytes lie is meant; the name is this process's own
    path = (memory if memory.is_dir() else _PLACE.parent) / _PLACE.name
    path.write_bytes(data)
    try:
        facts = _INSPECTOR.inspect(path, name, reads_page=name.endswith(".pdf"))
    finally:
        path.unlink()
    assert facts.size == len(data)
    assert facts.broken is None or labels.has(f"why.{facts.broken}"), facts.broken
    assert len(facts.members) == len(facts.member_types) <= _LIMITS.members
    return facts


def archive(data: bytes) -> None:
    """The first byte chooses the name."""
    name, raw = _NAMES[data[0] % len(_NAMES)] if data else "a", data[1:]
    facts = _inspected(raw, name)
    if facts.found_type == "zip" and facts.broken is None and not facts.encrypted and facts.nested_depth == 1:
        _like_another_reader(raw, facts)


def _like_another_reader(raw: bytes, facts: FileFacts) -> None:
    """Python's own reader unpacks the same members without a complaint."""
    with zipfile.ZipFile(io.BytesIO(raw)) as opened:
        assert opened.testzip() is None
        members = [m for m in opened.infolist() if not m.filename.endswith("/")]
        assert len(members) == len(facts.members)


def pdf(data: bytes) -> None:
    facts = _inspected(data, "a.pdf")
    assert facts.pages is None or facts.pages >= 0
    assert len(facts.first_page) <= len(data) * _LIMITS.ratio + _LIMITS.harmless_bytes


def _zip(*members: tuple[str, bytes], packed: bool = True) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as archive:
        for name, raw in members:
            archive.writestr(name, raw)
    return buffer.getvalue()


def _page(*, script: bool = False, locked: bool = False) -> bytes:
    writer = PdfWriter()
    writer.add_blank_page(width=595, height=842)
    if script:
        action = {
            NameObject("/S"): NameObject("/JavaScript"),
            NameObject("/JS"): TextStringObject("app.alert(1)"),
        }
        writer.root_object[NameObject("/OpenAction")] = DictionaryObject(action)
        writer.add_attachment("a.txt", b"text")
    if locked:
        writer.encrypt("")
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def _archives() -> Iterator[bytes]:
    page = _page()
    plain = _zip(("a.txt", b"text"), ("thư mục/b.pdf", page))
    office = _zip(
        ("[Content_Types].xml", b"<Types/>"), ("word/document.xml", b"<w/>"), ("word/vbaProject.bin", b"v")
    )
    open_document = _zip(
        ("mimetype", b"application/vnd.oasis.opendocument.text"), ("content.xml", b"<o/>"), packed=False
    )
    ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1016)
    rtf = b"{\\rtf1\\ansi{\\object\\objdata 00}}"
    for n, raw in enumerate((plain, office, page, ole, open_document, _zip(("in.zip", plain)), rtf, plain)):
        yield bytes([n]) + raw


def _pdfs() -> Iterator[bytes]:
    yield from (_page(), _page(script=True), _page(locked=True))


TARGETS = (
    Target(name="archive", run=archive, seeds=_archives, longest=32_768),
    Target(name="pdf", run=pdf, seeds=_pdfs, longest=16_384),
)
