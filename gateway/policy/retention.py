"""Judges when a retention ends. In: facts about a file of records or a document, the rows of the agency's table. Out: the
day, permanent, or unknown with its reason; of two rows the one that began later counts, then the longer period. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from gateway.domain.retention import (
    DocumentFacts,
    Expiry,
    FileFacts,
    RetentionRow,
    RetentionStart,
    UnknownExpiry,
)
from gateway.domain.text import fold
from gateway.domain.wall_clock import months_later

_FILE_STARTS = (RetentionStart.FILE_CLOSED, RetentionStart.YEAR_END)


def file_expiry(file: FileFacts, rows: Iterable[RetentionRow]) -> Expiry:
    """Judge a file: by the rows of its class; without a class by those of its kind."""
    if file.retention:
        candidates = [row for row in rows if fold(row.name) == fold(file.retention)]
    else:
        candidates = [row for row in rows if row.file_kind == file.kind and not row.document_type]
    candidates = [row for row in candidates if row.start in _FILE_STARTS and row.file_kind in ("", file.kind)]
    if not candidates:
        return Expiry(unknown=UnknownExpiry.NO_ROW)
    if file.closed_on is None:
        is_for_ever = all(row.months is None for row in candidates)
        return Expiry(is_permanent=True) if is_for_ever else Expiry(unknown=UnknownExpiry.NOT_CLOSED)
    return _judge(candidates, dict.fromkeys(_FILE_STARTS, file.closed_on))


def document_expiry(document: DocumentFacts, rows: Iterable[RetentionRow]) -> Expiry:
    """Judge a document: by its files and by the rows of its type; the longest counts, and it stays while one is unknown."""
    rows = tuple(rows)
    of_type = [row for row in rows if row.document_type and fold(row.document_type) in document.types]
    expiries = [file_expiry(file, rows) for file in document.files]
    starts = {RetentionStart.YEAR_END: document.day, RetentionStart.RECALL_AGREED: document.recalled_on}
    for start, day in starts.items():
        candidates = [row for row in of_type if row.start is start]
        if candidates and (day is not None or start is RetentionStart.YEAR_END):
            expiries.append(_judge(candidates, {start: day}))
    return max(expiries, key=_length, default=Expiry(unknown=UnknownExpiry.NO_ROW))


def _judge(candidates: list[RetentionRow], days: dict[RetentionStart, date | None]) -> Expiry:
    starts = {start: _start_day(start, day) for start, day in days.items() if day is not None}
    if not starts:
        return Expiry(unknown=UnknownExpiry.NO_DAY)
    in_force = [row for row in candidates if row.start in starts and row.holds(starts[row.start])]
    if not in_force:
        return Expiry(unknown=UnknownExpiry.NO_ROW)
    newest = max(row.valid_from for row in in_force)
    return max((_end_of(row, starts[row.start]) for row in in_force if row.valid_from == newest), key=_length)


def _start_day(start: RetentionStart, day: date) -> date:
    return date(day.year, 12, 31) if start is RetentionStart.YEAR_END else day


def _end_of(row: RetentionRow, start: date) -> Expiry:
    if row.months is None:
        return Expiry(is_permanent=True, row=row)
    return Expiry(on=months_later(start, row.months), row=row)


def _length(expiry: Expiry) -> tuple[bool, bool, date]:
    """Order expiries: permanent is the longest, then unknown, then the later day."""
    return expiry.is_permanent, expiry.unknown is not None, expiry.on or date.min
