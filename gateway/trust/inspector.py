"""Keeps the `Inspector` promise: says what a file is by its bytes, streamed, and never raises for what they are. In: a
path and the name it came with. Out: `FileFacts` for the policies. Containers are looked into in memory, within limits;
`broken` is a word of the labels' `why.` table."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from gateway.domain.files import FileFacts
from gateway.errors import StoreFailure
from gateway.trust.archive import BadArchive, Entry, content, entries, has_directory_at_end
from gateway.trust.file_types import Sniffer, look_into_ole
from gateway.trust.pdf import look_into_pdf

_PIECE = 256 * 1024
_LOOKED_INTO = frozenset({"zip", "ole", "pdf", "rtf"})
_ARCHIVES = frozenset({"zip", "jar"})
_OOXML = (("word/", "docx"), ("xl/", "xlsx"), ("ppt/", "pptx"))
_WITH_MACROS = {"docx": "docm", "xlsx": "xlsm", "pptx": "pptm"}
_ODF = {
    b"application/vnd.oasis.opendocument.text": "odt",
    b"application/vnd.oasis.opendocument.spreadsheet": "ods",
    b"application/vnd.oasis.opendocument.presentation": "odp",
}


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
class _Found:
    """Facts as they are gathered."""

    found_type: str
    size: int
    pages: int | None = None
    encrypted: bool = False
    broken: str | None = None
    depth: int = 0
    inflated: int | None = None
    active: set[str] = field(default_factory=set)


class FileInspector:
    """Safe to share between threads: it keeps nothing."""

    def __init__(self, limits: InspectLimits | None = None) -> None:
        self._limits = limits or InspectLimits()

    def inspect(self, path: Path, name: str) -> FileFacts:
        """Facts about the file at `path`. StoreFailure when the file itself cannot be opened."""
        try:
            with path.open("rb") as stream:
                size = stream.seek(0, io.SEEK_END)
                budget = _Budget(
                    deadline=time.monotonic() + self._limits.seconds,
                    members=self._limits.members,
                    inflated=max(size * self._limits.ratio, self._limits.harmless_bytes),
                )
                found = self._look(stream, size, name, 1, budget)
        except OSError as error:
            raise StoreFailure(f"file {path.name} cannot be read to inspect it: {error.strerror}") from error
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
        )

    def _look(self, stream: BinaryIO, size: int, name: str, depth: int, budget: _Budget) -> _Found:
        """One file or member; `depth` is 1 for the file itself."""
        if size == 0:
            return _Found(found_type="unknown", size=0, broken="empty")
        sniffer = Sniffer()
        stream.seek(0)
        while piece := stream.read(_PIECE):
            sniffer.feed(piece)
        found = _Found(found_type=sniffer.found(name), size=size)
        if found.found_type == "zip":
            self._look_into_zip(stream, found, name, depth, budget)
            return found
        if found.found_type == "pdf":
            facts = look_into_pdf(stream, budget.deadline, self._limits.pdf_objects)
            found.pages, found.encrypted, found.broken = facts.pages, facts.encrypted, facts.broken
            found.active.update(facts.active)
        elif found.found_type == "ole":
            _ole(stream, found, name)
        elif found.found_type in ("html", "svg", "script"):
            found.active.add("script")
        elif found.found_type == "rtf" and _holds(stream, b"\\objdata"):
            found.active.add("embedded-file")
        if sniffer.has_late_pdf:
            found.broken = "junk-before"
        elif has_directory_at_end(stream, size):
            found.broken = "junk-after"
        return found

    def _look_into_zip(self, stream: BinaryIO, found: _Found, name: str, depth: int, budget: _Budget) -> None:
        """Documents made of ZIP members keep their members to themselves; an archive lists them."""
        try:
            rows = entries(stream, found.size, self._limits.members)
            names = [row.name for row in rows]
            found.encrypted = any(row.encrypted for row in rows)
            found.found_type = _zip_type(stream, rows)
            found.active.update(_zip_active(names, found.found_type))
            if "macro" in found.active:
                found.found_type = _WITH_MACROS.get(found.found_type, found.found_type)
            if found.found_type not in _ARCHIVES:
                self._drain(stream, rows, found, budget)
                return
            found.depth = depth
            if depth > self._limits.depth:
                raise BadArchive("too-deep")
            self._walk(stream, rows, found, name if depth > 1 else "", depth, budget)
        except BadArchive as bad:
            found.broken = bad.why

    def _drain(self, stream: BinaryIO, rows: list[Entry], found: _Found, budget: _Budget) -> None:
        found.inflated = 0
        for row in rows:
            if not row.encrypted:
                for piece in self._metered(stream, row, budget):
                    found.inflated += len(piece)

    def _walk(
        self, stream: BinaryIO, rows: list[Entry], found: _Found, under: str, depth: int, budget: _Budget
    ) -> None:
        found.inflated = 0
        for row in rows:
            if row.is_folder:
                continue
            shown = f"{under}/{row.name}" if under else row.name
            if len(budget.members_seen) >= budget.members:
                raise BadArchive("too-many-members")
            if row.encrypted:
                budget.members_seen.append((shown, "unknown"))
                continue
            place = len(budget.members_seen)
            budget.members_seen.append((shown, "unknown"))
            inner = self._member(stream, row, shown, depth, budget)
            budget.members_seen[place] = (shown, inner.found_type)
            _merge(found, inner)

    def _member(self, stream: BinaryIO, row: Entry, shown: str, depth: int, budget: _Budget) -> _Found:
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
        return _Found(found_type=kind, size=sniffer.size, inflated=sniffer.size, active=active)

    def _metered(self, stream: BinaryIO, row: Entry, budget: _Budget) -> Iterator[bytes]:
        for piece in content(stream, row):
            budget.inflated -= len(piece)
            if budget.inflated < 0:
                raise BadArchive("ratio")
            if time.monotonic() > budget.deadline:
                raise BadArchive("too-long-to-read")
            yield piece


def _merge(found: _Found, inner: _Found) -> None:
    """An archive is as bad as the worst of its members, and as large as all of them."""
    found.encrypted = found.encrypted or inner.encrypted
    found.broken = found.broken or inner.broken
    found.depth = max(found.depth, inner.depth)
    found.active |= inner.active
    found.inflated = (found.inflated or 0) + max(inner.inflated or 0, inner.size)


def _zip_type(stream: BinaryIO, rows: list[Entry]) -> str:
    names = {row.name for row in rows}
    if "[Content_Types].xml" in names:
        return next(
            (kind for folder, kind in _OOXML if any(name.startswith(folder) for name in names)), "ooxml"
        )
    first = rows[0] if rows else None
    if first is not None and first.name == "mimetype" and not first.encrypted and first.size < 200:
        told = b"".join(content(stream, first)).strip()
        return _ODF.get(told, "epub" if told == b"application/epub+zip" else "zip")
    if "META-INF/MANIFEST.MF" in names and any(name.endswith((".class", ".dex")) for name in names):
        return "jar"
    return "zip"


def _zip_active(names: list[str], kind: str) -> Iterator[str]:
    """Macros and embedded objects of office documents, by the members that carry them."""
    if kind not in (*_WITH_MACROS, *_ODF.values()):
        return
    for name in names:
        low = name.casefold()
        if low.endswith("vbaproject.bin") or "/activex/" in low or low.startswith(("basic/", "scripts/")):
            yield "macro"
        if "/embeddings/" in low:
            yield "embedded-file"


def _ole(stream: BinaryIO, found: _Found, name: str) -> None:
    kind, encrypted, has_macros = look_into_ole(stream)
    found.encrypted = encrypted
    ending = name.rpartition(".")[2].casefold()
    found.found_type = ending if kind == "ooxml" and ending in _WITH_MACROS else kind
    if has_macros:
        found.active.add("macro")


def _holds(stream: BinaryIO, wanted: bytes) -> bool:
    stream.seek(0)
    carried = b""
    while piece := stream.read(_PIECE):
        if wanted in carried + piece:
            return True
        carried = piece[-len(wanted) :]
    return False
