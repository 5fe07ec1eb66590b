"""Tells the type of a file by its bytes, never by its name (R10, threats 61 to 63, disguised files), while reading it
once. In: a path and the file's name. Out: `FileFacts` for the policies, with a short type name such as `pdf`, `zip`,
`txt`, `exe`, or `unknown`; bad content is no error but sets `broken`, the last part of a `why.` label.
`trust.containers` and `trust.pdf` look into containers in memory, within limits."""

from __future__ import annotations

import codecs
import io
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from gateway import time_source
from gateway.domain.identity import Digest
from gateway.domain.pdf import FirstPage, PdfText, TextRun
from gateway.domain.signatures import FileFacts
from gateway.errors import StoreFailure
from gateway.ports.services import Readable
from gateway.trust.containers import (
    WITH_MACROS,
    ArchiveMember,
    BadArchive,
    OfficePart,
    active_by_name,
    active_in_rtf,
    entries,
    entry_content,
    has_directory_at_end,
    kind_of,
    look_into_ole,
)

HEAD = 4096
PDF_WITHIN = 1024  # readers look for the header this far from the start

_MAGIC = (
    (b"%PDF-", "pdf"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"),
    (b"{\\rtf", "rtf"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"Rar!\x1a\x07", "rar"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"\x1f\x8b", "gzip"),
    (b"MZ", "exe"),
    (b"\x7fELF", "elf"),
    (b"#!", "script"),
)
_MARKUP = (
    (re.compile(rb"<svg[\s>]", re.IGNORECASE), "svg"),
    (
        re.compile(
            rb"<(!doctype\s+html|html|head|body|script|iframe|object|embed|meta)[\s>/]", re.IGNORECASE
        ),
        "html",
    ),
    (re.compile(rb"^\s*<\?xml", re.IGNORECASE), "xml"),
    (re.compile(rb"^(mime-version|content-type):", re.IGNORECASE), "mht"),
)
_ALLOWED_CONTROLS = b"\t\n\r\f"
_CONTROLS = bytes(byte for byte in range(0x20) if byte not in _ALLOWED_CONTROLS) + b"\x7f"
_DELETE_ALLOWED = bytes(byte for byte in range(256) if byte not in _CONTROLS)


class Sniffer:
    """Detector that takes a file piece by piece, keeps its first bytes, and notes whether all of it was text."""

    def __init__(self) -> None:
        self.head = b""
        self.size = 0
        self._has_controls = False
        self._is_utf16 = False

    def feed(self, piece: bytes) -> None:
        if self.size == 0:
            self._is_utf16 = piece.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        self.size += len(piece)
        if len(self.head) < HEAD:
            self.head += piece[: HEAD - len(self.head)]
        if not self._has_controls:
            # Binary content mostly shows in its first bytes; searching a whole piece takes longer than hashing it.
            self._has_controls = any(part.translate(None, _DELETE_ALLOWED) for part in (piece[:HEAD], piece))

    def file_type(self, name: str) -> str:
        """Return the type; `zip` and `ole` are containers to be opened for more. The name only tells csv from txt."""
        for magic, kind in _MAGIC:
            if self.head.startswith(magic):
                return kind
        if self._is_pdf or self.has_late_pdf:
            return "pdf"
        if self._has_controls and not self._is_utf16:
            return "unknown"
        for pattern, kind in _MARKUP:
            if pattern.search(self.head.lstrip(codecs.BOM_UTF8)):
                return kind
        return "csv" if name.casefold().endswith((".csv", ".tsv")) else "txt"

    @property
    def is_settled(self) -> bool:
        """True once further bytes cannot change the type."""
        return self._has_controls and len(self.head) == HEAD

    @property
    def has_late_pdf(self) -> bool:
        """True where other bytes precede the PDF header (threat 63, files of two types)."""
        return not self._is_pdf and self.head.find(b"%PDF-", 1, PDF_WITHIN + 5) > 0

    @property
    def _is_pdf(self) -> bool:
        """True where a PDF header comes first, or after a byte order mark or line ends, which some programs write and
        which hide nothing."""
        return self.head.removeprefix(codecs.BOM_UTF8).lstrip(b"\r\n \t").startswith(b"%PDF-")


_PIECE = 256 * 1024
_MOST_REMEMBERED = 64
TOO_LONG = "too-long-to-read"
_LONGEST_TEXT = 20_000
_COLUMN_GAP = 1.5  # in type sizes
_LOOKED_INTO = frozenset({"zip", "ole", "pdf", "rtf"})
_ARCHIVES = frozenset({"zip", "jar"})


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectLimits:
    """Limits of R12 (archives), and limits of time, memory and objects for one file."""

    depth: int = 2
    members: int = 500
    ratio: int = 100
    harmless_bytes: int = 1024 * 1024  # a high ratio is harmless in a file that stays below this
    seconds: float = 10.0
    nested_bytes: int = 32 * 1024 * 1024
    pdf_objects: int = 100_000


@dataclass(slots=True)
class _Budget:
    """Remaining limits of one file, shared with everything inside it."""

    deadline: float
    members: int
    inflated: int
    listed_members: list[tuple[str, str]] = field(default_factory=list)


@dataclass(slots=True)
class _GatheredFacts:
    """Facts about one file or member while it is inspected."""

    found_type: str
    size: int
    pages: int | None = None
    encrypted: bool = False
    broken: str | None = None
    depth: int = 0
    inflated: int | None = None
    active: set[str] = field(default_factory=set)
    first_page: PdfText | None = None


class FileInspector:
    """Inspector of files by their bytes. Sync: call it in the pool. Safe to share between threads. Recent facts are
    remembered by the file's digest, because one file is inspected for the check before sending, for sending, and for
    each agency of this node that receives it. `read_fields` finds the fields of a document in the text of its first
    page."""

    def __init__(
        self,
        limits: InspectLimits | None = None,
        read_fields: Callable[[PdfText], FirstPage] = lambda text: FirstPage(),
    ) -> None:
        self._limits = limits or InspectLimits()
        self._read_fields = read_fields
        self._remembered: OrderedDict[tuple[Digest, str, bool], FileFacts] = OrderedDict()
        self._turn = threading.Lock()

    def inspect(
        self, file: Readable, name: str, *, reads_page: bool = False, digest: Digest | None = None
    ) -> FileFacts:
        """Return facts about the file. With `reads_page` they include the text of a PDF's first page and its fields,
        which takes longer. `digest`, the file's SHA-256 where it is known, finds remembered facts. Raise StoreFailure
        when the file cannot be opened."""
        if digest is None:
            return self._facts(file, name, reads_page=reads_page)
        key = (digest, name, reads_page)
        with self._turn:
            if key in self._remembered:
                self._remembered.move_to_end(key)
                return self._remembered[key]
        facts = self._facts(file, name, reads_page=reads_page)
        if facts.broken != TOO_LONG:  # this depends on the load of the machine
            with self._turn:
                self._remembered[key] = facts
                while len(self._remembered) > _MOST_REMEMBERED:
                    self._remembered.popitem(last=False)
        return facts

    def _facts(self, file: Readable, name: str, *, reads_page: bool) -> FileFacts:
        try:
            with file.open("rb") as stream:
                size = stream.seek(0, io.SEEK_END)
                budget = _Budget(
                    deadline=time_source.monotonic() + self._limits.seconds,
                    members=self._limits.members,
                    inflated=max(size * self._limits.ratio, self._limits.harmless_bytes),
                )
                facts = self._look(stream, size, name, 1, budget, reads_page=reads_page)
        except OSError as error:
            raise StoreFailure(f"file {file.name} cannot be read to inspect it: {error.strerror}") from error
        page = facts.first_page
        return FileFacts(
            found_type=facts.found_type,
            size=facts.size,
            pages=facts.pages,
            encrypted=facts.encrypted,
            broken=facts.broken,
            members=tuple(member for member, _ in budget.listed_members),
            member_types=tuple(kind for _, kind in budget.listed_members),
            nested_depth=facts.depth,
            inflated_size=facts.inflated,
            active=tuple(sorted(facts.active)),
            first_page="\n".join(_lines_of(page))[:_LONGEST_TEXT] if page is not None else "",
            page_cut=page is not None and page.cut,
            page_fields=self._read_fields(page) if page is not None else None,
        )

    def _look(
        self,
        stream: BinaryIO,
        size: int,
        name: str,
        depth: int,
        budget: _Budget,
        *,
        reads_page: bool = False,
    ) -> _GatheredFacts:
        """Return the facts of one file or member; `depth` is 1 for the file itself."""
        if size == 0:
            return _GatheredFacts(found_type="unknown", size=0, broken="empty")
        sniffer = Sniffer()
        stream.seek(0)
        while not sniffer.is_settled and (piece := stream.read(_PIECE)):
            sniffer.feed(piece)
        facts = _GatheredFacts(found_type=sniffer.file_type(name), size=size)
        if facts.found_type == "zip":
            self._look_into_zip(stream, facts, name, depth, budget)
            if sniffer.has_late_pdf and name.casefold().endswith(".pdf"):
                facts.broken = "junk-before"  # PDF readers would open its first member's content
            return facts
        self._look_inside(stream, facts, name, budget, reads_page=reads_page)
        if sniffer.has_late_pdf:
            facts.broken = "junk-before"
        elif has_directory_at_end(stream, size):
            facts.broken = "junk-after"
        return facts

    def _look_inside(
        self, stream: BinaryIO, facts: _GatheredFacts, name: str, budget: _Budget, *, reads_page: bool
    ) -> None:
        if facts.found_type == "pdf":
            # Loaded at the first PDF, because the library is large.
            from gateway.trust.pdf import look_into_pdf
            from gateway.trust.pdf_layout import first_page

            read_page = first_page if reads_page else None
            pdf = look_into_pdf(stream, budget.deadline, self._limits.pdf_objects, read_page)
            facts.pages, facts.encrypted, facts.broken = (pdf.pages, pdf.encrypted, pdf.broken)
            facts.active.update(pdf.active)
            facts.first_page = pdf.first_page
        elif facts.found_type == "ole":
            ole, ending = look_into_ole(stream), name.rpartition(".")[2].casefold()
            facts.encrypted, facts.broken = ole.encrypted, ole.broken
            facts.found_type = ending if ole.kind == "ooxml" and ending in WITH_MACROS else ole.kind
            facts.active.update(ole.active)
        elif facts.found_type in ("html", "svg", "script"):
            facts.active.add("script")
        elif facts.found_type == "rtf":
            facts.active.update(active_in_rtf(stream))

    def _look_into_zip(
        self, stream: BinaryIO, facts: _GatheredFacts, name: str, depth: int, budget: _Budget
    ) -> None:
        """Add facts about the members of a ZIP: an archive's are listed, those of an office document only searched."""
        try:
            rows = entries(stream, facts.size, self._limits.members)
            names = [row.name for row in rows]
            facts.encrypted = any(row.encrypted for row in rows)
            facts.found_type = kind_of(stream, rows)
            facts.active.update(active_by_name(names, facts.found_type))
            if facts.found_type not in _ARCHIVES:
                self._drain(stream, rows, facts, budget)
                if "macro" in facts.active:
                    facts.found_type = WITH_MACROS.get(facts.found_type, facts.found_type)
                return
            facts.depth = depth
            if depth > self._limits.depth:
                raise BadArchive("too-deep")
            self._walk(stream, rows, facts, name if depth > 1 else "", depth, budget)
        except BadArchive as bad:
            facts.broken = bad.why

    def _drain(
        self, stream: BinaryIO, rows: list[ArchiveMember], facts: _GatheredFacts, budget: _Budget
    ) -> None:
        facts.inflated = 0
        for row in rows:
            if row.encrypted:
                continue
            part = OfficePart(row, facts.found_type)
            for piece in self._meter(stream, row, budget):
                facts.inflated += len(piece)
                part.feed(piece)
            facts.active.update(part.active())

    def _walk(
        self,
        stream: BinaryIO,
        rows: list[ArchiveMember],
        facts: _GatheredFacts,
        under: str,
        depth: int,
        budget: _Budget,
    ) -> None:
        facts.inflated = 0
        for row in rows:
            if row.is_folder:
                continue
            path = f"{under}/{row.name}" if under else row.name
            if len(budget.listed_members) >= budget.members:
                raise BadArchive("too-many-members")
            place = len(budget.listed_members)
            budget.listed_members.append((path, "unknown"))
            if row.encrypted:
                continue
            inner = self._look_into_member(stream, row, path, depth, budget)
            budget.listed_members[place] = (path, inner.found_type)
            _merge(facts, inner)

    def _look_into_member(
        self, stream: BinaryIO, row: ArchiveMember, path: str, depth: int, budget: _Budget
    ) -> _GatheredFacts:
        """Return the facts of an archive's member. It is decompressed as a stream, and kept in memory only while it may
        be a container."""
        sniffer, content = Sniffer(), io.BytesIO()
        is_kept = True
        for piece in self._meter(stream, row, budget):
            sniffer.feed(piece)
            if is_kept and sniffer.file_type(row.name) not in _LOOKED_INTO:
                is_kept, content = False, io.BytesIO()
            if is_kept and content.write(piece) and content.tell() > self._limits.nested_bytes:
                raise BadArchive("too-long-to-read")
        if sniffer.size and is_kept:
            return self._look(content, sniffer.size, path, depth + 1, budget)
        kind = sniffer.file_type(row.name) if sniffer.size else "txt"
        active = {"script"} if kind in ("html", "svg", "script") else set()
        return _GatheredFacts(found_type=kind, size=sniffer.size, inflated=sniffer.size, active=active)

    def _meter(self, stream: BinaryIO, row: ArchiveMember, budget: _Budget) -> Iterator[bytes]:
        for piece in entry_content(stream, row):
            budget.inflated -= len(piece)
            if budget.inflated < 0:
                raise BadArchive("ratio")
            if time_source.monotonic() > budget.deadline:
                raise BadArchive("too-long-to-read")
            yield piece


def _lines_of(page: PdfText) -> Iterator[str]:
    """Yield the lines of a page; text with a wide gap before it begins a new line."""
    line: list[str] = []
    last: TextRun | None = None
    for run in page.runs:
        if last is not None and not _goes_on(last, run):
            yield " ".join(line)
            line = []
        line.append(run.text)
        last = run
    yield " ".join(line)
    yield from page.sideways


def _goes_on(last: TextRun, run: TextRun) -> bool:
    gap = run.area.left - last.area.right
    return run.area.top == last.area.top and -run.type_size < gap < _COLUMN_GAP * run.type_size


def _merge(facts: _GatheredFacts, inner: _GatheredFacts) -> None:
    """Add a member's facts to the archive's: the worst of all members count, and their sizes are added."""
    facts.encrypted = facts.encrypted or inner.encrypted
    facts.broken = facts.broken or inner.broken
    facts.depth = max(facts.depth, inner.depth)
    facts.active |= inner.active
    facts.inflated = (facts.inflated or 0) + max(inner.inflated or 0, inner.size)
