"""Says what a file is by its bytes, streamed, never by its name (R10, threats 61 to 63),
and never raises for what they are. In: a path and the name it came with. Out: `FileFacts` for the policies, with a
short type name such as `pdf`, `zip`, `txt`, `exe`, or `unknown`; `broken` is a word of the labels' `why.` table.
Containers are looked into in memory, within limits, by `trust.containers` and `trust.pdf`."""

from __future__ import annotations

import codecs
import io
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

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
PDF_WITHIN = 1024  # readers look for the header this far into a file

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
    """Is fed a file piece by piece, keeps its head, and knows whether all of it was text."""

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
            # What is no text mostly shows it at once; to look through all of a piece takes longer than to hash it.
            self._has_controls = any(part.translate(None, _DELETE_ALLOWED) for part in (piece[:HEAD], piece))

    def found(self, name: str) -> str:
        """The type; `zip` and `ole` are containers that say more when opened. The name only tells csv from txt."""
        for magic, found in _MAGIC:
            if self.head.startswith(magic):
                return found
        if self._is_pdf or self.has_late_pdf:
            return "pdf"
        if self._has_controls and not self._is_utf16:
            return "unknown"
        for pattern, found in _MARKUP:
            if pattern.search(self.head.lstrip(codecs.BOM_UTF8)):
                return found
        return "csv" if name.casefold().endswith((".csv", ".tsv")) else "txt"

    @property
    def is_settled(self) -> bool:
        """Whether what follows would change nothing of what it is."""
        return self._has_controls and len(self.head) == HEAD

    @property
    def has_late_pdf(self) -> bool:
        """A PDF header that is not at the beginning: something else stands before it (threat 63)."""
        return not self._is_pdf and self.head.find(b"%PDF-", 1, PDF_WITHIN + 5) > 0

    @property
    def _is_pdf(self) -> bool:
        """Some programs write a byte order mark or line ends before the header; nothing hides in those."""
        return self.head.removeprefix(codecs.BOM_UTF8).lstrip(b"\r\n \t").startswith(b"%PDF-")


_PIECE = 256 * 1024
_MOST_KNOWN = 64
TOO_LONG = "too-long-to-read"
_LONGEST_TEXT = 20_000
_COLUMN_GAP = 1.5  # in parts of the type size
_LOOKED_INTO = frozenset({"zip", "ole", "pdf", "rtf"})
_ARCHIVES = frozenset({"zip", "jar"})


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectLimits:
    """R12's numbers, and what keeps one file from taking the machine."""

    depth: int = 2
    members: int = 500
    ratio: int = 100
    harmless_bytes: int = 1024 * 1024  # below this a high ratio only means a short file
    seconds: float = 10.0
    nested_bytes: int = 32 * 1024 * 1024
    pdf_objects: int = 100_000


@dataclass(slots=True)
class _Budget:
    """What is left for one file with everything inside it."""

    deadline: float
    members: int
    inflated: int
    members_seen: list[tuple[str, str]] = field(default_factory=list)


@dataclass(slots=True)
class _GatheredFacts:
    """Facts as they are gathered."""

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
    """Says what a file is, by its bytes. Sync: call it in the pool. Never raises for bad content: `broken` says it. Safe to
    share between threads. What it found lately it knows by the file's digest: the same file is looked at once for the check
    before sending, for sending, and for each agency of this node that it comes to. `read_fields` finds in the text of a
    first page what it says of its document."""

    def __init__(
        self,
        limits: InspectLimits | None = None,
        read_fields: Callable[[PdfText], FirstPage] = lambda text: FirstPage(),
    ) -> None:
        self._limits = limits or InspectLimits()
        self._read_fields = read_fields
        self._known: OrderedDict[tuple[Digest, str, bool], FileFacts] = OrderedDict()
        self._turn = threading.Lock()

    def inspect(
        self, file: Readable, name: str, *, reads_page: bool = False, digest: Digest | None = None
    ) -> FileFacts:
        """Facts about the file. `reads_page`: also the text of the first page of a PDF and its fields, which takes some
        time. `digest` is the SHA-256 of the file, where it is known: what was looked at a moment ago is known by it.
        StoreFailure when the file itself cannot be opened."""
        if digest is None:
            return self._facts(file, name, reads_page=reads_page)
        asked = (digest, name, reads_page)
        with self._turn:
            if asked in self._known:
                self._known.move_to_end(asked)
                return self._known[asked]
        facts = self._facts(file, name, reads_page=reads_page)
        if facts.broken != TOO_LONG:  # that is a word about this machine now
            with self._turn:
                self._known[asked] = facts
                while len(self._known) > _MOST_KNOWN:
                    self._known.popitem(last=False)
        return facts

    def _facts(self, file: Readable, name: str, *, reads_page: bool) -> FileFacts:
        try:
            with file.open("rb") as stream:
                size = stream.seek(0, io.SEEK_END)
                budget = _Budget(
                    deadline=time.monotonic() + self._limits.seconds,
                    members=self._limits.members,
                    inflated=max(size * self._limits.ratio, self._limits.harmless_bytes),
                )
                found = self._look(stream, size, name, 1, budget, reads_page=reads_page)
        except OSError as error:
            raise StoreFailure(f"file {file.name} cannot be read to inspect it: {error.strerror}") from error
        page = found.first_page
        return FileFacts(
            found_type=found.found_type,
            size=found.size,
            pages=found.pages,
            encrypted=found.encrypted,
            broken=found.broken,
            members=tuple(member for member, _ in budget.members_seen),
            member_types=tuple(kind for _, kind in budget.members_seen),
            nested_depth=found.depth,
            inflated_size=found.inflated,
            active=tuple(sorted(found.active)),
            first_page="\n".join(_words_of(page))[:_LONGEST_TEXT] if page is not None else "",
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
        """One file or member; `depth` is 1 for the file itself."""
        if size == 0:
            return _GatheredFacts(found_type="unknown", size=0, broken="empty")
        sniffer = Sniffer()
        stream.seek(0)
        while not sniffer.is_settled and (piece := stream.read(_PIECE)):
            sniffer.feed(piece)
        found = _GatheredFacts(found_type=sniffer.found(name), size=size)
        if found.found_type == "zip":
            self._look_into_zip(stream, found, name, depth, budget)
            if sniffer.has_late_pdf and name.casefold().endswith(".pdf"):
                found.broken = "junk-before"  # a reader of PDFs would open what its first member holds
            return found
        self._look_inside(stream, found, name, budget, reads_page=reads_page)
        if sniffer.has_late_pdf:
            found.broken = "junk-before"
        elif has_directory_at_end(stream, size):
            found.broken = "junk-after"
        return found

    def _look_inside(
        self, stream: BinaryIO, found: _GatheredFacts, name: str, budget: _Budget, *, reads_page: bool
    ) -> None:
        if found.found_type == "pdf":
            # A node that meets no PDF does without the library, which is large.
            from gateway.trust.pdf import look_into_pdf
            from gateway.trust.pdf_layout import first_page

            read_page = first_page if reads_page else None
            facts = look_into_pdf(stream, budget.deadline, self._limits.pdf_objects, read_page)
            found.pages, found.encrypted, found.broken = facts.pages, facts.encrypted, facts.broken
            found.active.update(facts.active)
            found.first_page = facts.first_page
        elif found.found_type == "ole":
            ole, ending = look_into_ole(stream), name.rpartition(".")[2].casefold()
            found.encrypted, found.broken = ole.encrypted, ole.broken
            found.found_type = ending if ole.kind == "ooxml" and ending in WITH_MACROS else ole.kind
            found.active.update(ole.active)
        elif found.found_type in ("html", "svg", "script"):
            found.active.add("script")
        elif found.found_type == "rtf":
            found.active.update(active_in_rtf(stream))

    def _look_into_zip(
        self, stream: BinaryIO, found: _GatheredFacts, name: str, depth: int, budget: _Budget
    ) -> None:
        """Documents made of ZIP members keep their members to themselves; an archive lists them."""
        try:
            rows = entries(stream, found.size, self._limits.members)
            names = [row.name for row in rows]
            found.encrypted = any(row.encrypted for row in rows)
            found.found_type = kind_of(stream, rows)
            found.active.update(active_by_name(names, found.found_type))
            if found.found_type not in _ARCHIVES:
                self._drain(stream, rows, found, budget)
                if "macro" in found.active:
                    found.found_type = WITH_MACROS.get(found.found_type, found.found_type)
                return
            found.depth = depth
            if depth > self._limits.depth:
                raise BadArchive("too-deep")
            self._walk(stream, rows, found, name if depth > 1 else "", depth, budget)
        except BadArchive as bad:
            found.broken = bad.why

    def _drain(
        self, stream: BinaryIO, rows: list[ArchiveMember], found: _GatheredFacts, budget: _Budget
    ) -> None:
        found.inflated = 0
        for row in rows:
            if row.encrypted:
                continue
            part = OfficePart(row, found.found_type)
            for piece in self._metered(stream, row, budget):
                found.inflated += len(piece)
                part.feed(piece)
            found.active.update(part.active())

    def _walk(
        self,
        stream: BinaryIO,
        rows: list[ArchiveMember],
        found: _GatheredFacts,
        under: str,
        depth: int,
        budget: _Budget,
    ) -> None:
        found.inflated = 0
        for row in rows:
            if row.is_folder:
                continue
            shown = f"{under}/{row.name}" if under else row.name
            if len(budget.members_seen) >= budget.members:
                raise BadArchive("too-many-members")
            place = len(budget.members_seen)
            budget.members_seen.append((shown, "unknown"))
            if row.encrypted:
                continue
            inner = self._member(stream, row, shown, depth, budget)
            budget.members_seen[place] = (shown, inner.found_type)
            _merge(found, inner)

    def _member(
        self, stream: BinaryIO, row: ArchiveMember, shown: str, depth: int, budget: _Budget
    ) -> _GatheredFacts:
        """Streamed through; kept in memory only while it may be something to look into."""
        sniffer, kept = Sniffer(), io.BytesIO()
        is_kept = True
        for piece in self._metered(stream, row, budget):
            sniffer.feed(piece)
            if is_kept and sniffer.found(row.name) not in _LOOKED_INTO:
                is_kept, kept = False, io.BytesIO()
            if is_kept and kept.write(piece) and kept.tell() > self._limits.nested_bytes:
                raise BadArchive("too-long-to-read")
        if sniffer.size and is_kept:
            return self._look(kept, sniffer.size, shown, depth + 1, budget)
        kind = sniffer.found(row.name) if sniffer.size else "txt"
        active = {"script"} if kind in ("html", "svg", "script") else set()
        return _GatheredFacts(found_type=kind, size=sniffer.size, inflated=sniffer.size, active=active)

    def _metered(self, stream: BinaryIO, row: ArchiveMember, budget: _Budget) -> Iterator[bytes]:
        for piece in entry_content(stream, row):
            budget.inflated -= len(piece)
            if budget.inflated < 0:
                raise BadArchive("ratio")
            if time.monotonic() > budget.deadline:
                raise BadArchive("too-long-to-read")
            yield piece


def _words_of(page: PdfText) -> Iterator[str]:
    """Return the lines of a page; a piece that stands apart is a line of its own."""
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


def _merge(found: _GatheredFacts, inner: _GatheredFacts) -> None:
    """An archive is as bad as the worst of its members, and as large as all of them."""
    found.encrypted = found.encrypted or inner.encrypted
    found.broken = found.broken or inner.broken
    found.depth = max(found.depth, inner.depth)
    found.active |= inner.active
    found.inflated = (found.inflated or 0) + max(inner.inflated or 0, inner.size)
