"""A registry feed as a file: read in pieces, written in pieces, whatever its size. In: a path. Out: first its header and
seal, from its two ends; then its lines, whose digest is checked again while they are read. Sync: call it in the pool."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from gateway.registry import feed_form as form
from gateway.registry.feed_form import AgencyLine, FeedRefused, Header, ProposalLine, Seal

PIECE = 256 * 1024
_PROPOSAL = b'{"proposal":'  # what such a line begins with in its one spelling


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """What is read of a feed before anything of it is believed."""

    header: Header
    header_line: bytes
    seal: Seal


def ends(path: Path) -> Ends:
    """Header and seal, with every limit checked. FeedRefused when the file cannot be a feed; the body is not read."""
    size = path.stat().st_size
    if size > form.MOST_BYTES:
        raise FeedRefused(f"{size} bytes, and at most {form.MOST_BYTES} are read", code="FEED-LIMIT")
    with path.open("rb") as file:
        first = file.readline(form.LONGEST_EDGE)
        file.seek(max(0, size - form.LONGEST_EDGE))
        tail = file.read(form.LONGEST_EDGE)
    before, _, last = tail.removesuffix(b"\n").rpartition(b"\n")
    if not first.endswith(b"\n") or not tail.endswith(b"\n") or not (before or size > form.LONGEST_EDGE):
        raise FeedRefused(
            "the file has no header line and no seal: it is not a signed feed", code="FEED-FORM"
        )
    header = form.decoded(Header, first, "the header")
    seal = form.decoded(Seal, last + b"\n", "the seal")
    if header.rows > form.MOST_ROWS:
        raise FeedRefused(f"{header.rows} rows, and at most {form.MOST_ROWS} are read", code="FEED-LIMIT")
    if size != len(first) + header.bytes + len(last) + 1:
        raise FeedRefused(
            "the file is not as long as its header says: part of it is missing", code="FEED-FORM"
        )
    return Ends(header=header, header_line=first, seal=seal)


def check_body(path: Path, found: Ends) -> None:
    """FeedRefused unless the body is the one that the signed header names."""
    hasher, left = hashlib.sha256(), found.header.bytes
    with path.open("rb") as file:
        file.seek(len(found.header_line))
        while left and (piece := file.read(min(PIECE, left))):
            hasher.update(piece)
            left -= len(piece)
    _same(hasher.hexdigest(), found.header)


def lines(path: Path, found: Ends) -> Iterator[AgencyLine | ProposalLine]:
    """Every line of the body in its order. FeedRefused for a line that is none, two rows of one code, and at the end for
    a body that changed since it was checked: nothing may be kept before this iterator is through."""
    hasher, left, count = hashlib.sha256(), found.header.bytes, 0
    order = ("", "")
    with path.open("rb") as file:
        file.seek(len(found.header_line))
        while left:
            raw = file.readline(min(form.LONGEST_LINE, left))
            count, left = count + 1, left - len(raw)
            if not raw.endswith(b"\n") or count > found.header.rows:
                raise FeedRefused(f"row {count}: too long, or more rows than stated", code="FEED-LIMIT")
            hasher.update(raw)
            line = _line(raw, f"row {count}")
            order = _after(order, line, count)
            yield line
    _same(hasher.hexdigest(), found.header)
    if count != found.header.rows:
        raise FeedRefused(f"{count} rows, and the header says {found.header.rows}", code="FEED-FORM")


def place(line: AgencyLine | ProposalLine) -> tuple[str, str]:
    """Where a line stands: agencies by their codes, proposals behind them by code and digest."""
    # No code sorts behind the sign.
    return ("", line.code) if isinstance(line, AgencyLine) else (f"~{line.proposal}", line.sha256)


class Draft:
    """A body being written beside its target; its header is known only when it is whole."""

    def __init__(self, target: Path) -> None:
        self._path = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
        self._file: BinaryIO = self._path.open("w+b")
        self._hasher = hashlib.sha256()
        self.rows = self.size = 0

    @property
    def digest(self) -> str:
        return self._hasher.hexdigest()

    def add(self, batch: Iterable[bytes]) -> None:
        for line in batch:
            self._file.write(line)
            self._hasher.update(line)
            self.rows, self.size = self.rows + 1, self.size + len(line)
        if self.rows > form.MOST_ROWS or self.size > form.MOST_BYTES - 2 * form.LONGEST_EDGE:
            raise FeedRefused("the registry is larger than a feed may be", code="FEED-LIMIT")

    def copy_between(self, header: bytes, seal: bytes, target: Path) -> None:
        """The whole feed, under its name once it is on disk."""
        whole = self._path.with_name(f"{self._path.name}.whole")
        try:
            with whole.open("xb") as file:
                file.write(header)
                self._file.seek(0)
                while piece := self._file.read(PIECE):
                    file.write(piece)
                file.write(seal)
                file.flush()
                os.fsync(file.fileno())
            os.replace(whole, target)
        finally:
            whole.unlink(missing_ok=True)

    def discard(self) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)


def _line(raw: bytes, where: str) -> AgencyLine | ProposalLine:
    if raw.startswith(_PROPOSAL):
        return form.decoded(ProposalLine, raw, where)
    return form.decoded(AgencyLine, raw, where)


def _after(order: tuple[str, str], line: AgencyLine | ProposalLine, count: int) -> tuple[str, str]:
    """The line's place, behind the one before: so none can stand twice."""
    following = place(line)
    if following <= order:
        name = line.code if isinstance(line, AgencyLine) else line.proposal
        raise FeedRefused(
            f"row {count}: {name} stands twice, or out of order: one code is one agency", code="FEED-ROWS"
        )
    return following


def _same(digest: str, header: Header) -> None:
    if digest != header.body:
        raise FeedRefused("the rows are not those that were signed", code="FEED-SIGNATURE")
