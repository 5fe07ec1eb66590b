"""Retention of files of records and documents (R102): the agency's table is imported as a whole, after a look at the
days that it moves. In: the text of a table, an agency, a document. Out: rows; the days that move; the new table, with an
event; the end of a document's retention with the row that decides."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from gateway.domain.account import AgencyScope
from gateway.domain.document import IncomingDocument, InState, OutgoingDocument
from gateway.domain.event import EventKind
from gateway.domain.retention import (
    LONGEST_BASIS,
    LONGEST_NAME,
    MOST_ROWS,
    DocumentFacts,
    Expiry,
    FileFacts,
    RetentionRow,
    RetentionStart,
    RetentionTable,
)
from gateway.domain.status import RequestState
from gateway.domain.text import fold
from gateway.domain.wall_clock import is_in_span, local
from gateway.errors import Clash
from gateway.policy.retention import document_expiry, file_expiry
from gateway.ports.services import Clock
from gateway.store.retention import FilesOf, open_retention

if TYPE_CHECKING:
    from gateway.store.store import SqlStore
    from gateway.store.work import SqlWork

COLUMNS = ("class", "type", "file_kind", "months", "start", "valid_from", "valid_until", "basis")
_FIRST_FEW, _PAGE = 5, 200
_PERMANENT = ("permanent", "vinh vien")
_KINDS = ("", "usual", "construction")


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedDay:
    """File or document whose end of retention another table moves."""

    code: str
    present: Expiry
    planned: Expiry


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionMoves:
    """Effect of a table: how many ends move, between which new days, and the first few."""

    files: int
    documents: int
    earliest: date | None
    latest: date | None
    first: tuple[MovedDay, ...]


def read_table(text: str) -> tuple[RetentionRow, ...]:
    """Read a table of comma-separated values. Clash with the line of the first row that cannot be."""
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
    if not {"class", "months", "start", "valid_from", "basis"} <= {*(reader.fieldnames or ())}:
        raise Clash(f"the table needs the columns {', '.join(COLUMNS)}", code="GW-RETENTION-TABLE")
    rows = []
    for line in reader:
        try:
            rows.append(_read_row({name: (line.get(name) or "").strip() for name in COLUMNS}))
        except ValueError as error:
            raise Clash(f"line {reader.line_num}: {error}", code="GW-RETENTION-TABLE") from error
    if not 0 < len(rows) <= MOST_ROWS:
        raise Clash(f"a table has 1 to {MOST_ROWS} rows", code="GW-RETENTION-TABLE")
    return tuple(rows)


async def preview(store: SqlStore, scope: AgencyScope, rows: Sequence[RetentionRow]) -> RetentionMoves:
    """Compare the ends of all files and documents under the present table and under these rows."""
    moved: dict[str, list[MovedDay]] = {"files": [], "documents": []}
    async with store.read(scope) as work:
        table = await table_in_force(work)
        present = table.rows if table is not None else ()
        for file in await open_retention(work).files():
            moved["files"] += _moved(file.code, file_expiry(file, present), file_expiry(file, rows))
        async for document, files in _documents(work):
            facts = await facts_of(work, document, files)
            ends = document_expiry(facts, present), document_expiry(facts, rows)
            moved["documents"] += _moved(facts.code, *ends)
    all_moved = [*moved["files"], *moved["documents"]]
    days = [move.planned.on for move in all_moved if move.planned.on is not None]
    return RetentionMoves(
        files=len(moved["files"]),
        documents=len(moved["documents"]),
        earliest=min(days, default=None),
        latest=max(days, default=None),
        first=tuple(all_moved[:_FIRST_FEW]),
    )


async def put_table(
    store: SqlStore, clock: Clock, scope: AgencyScope, rows: tuple[RetentionRow, ...], moves: RetentionMoves
) -> RetentionTable:
    """Put these rows into force in place of the present table."""
    now = clock.now()
    table = RetentionTable(
        id=clock.new_id("ret_"), agency_id=scope.agency_id, rows=rows, by=scope.principal_id, at=now
    )
    async with store.begin(scope) as work:
        await open_retention(work).add(table)
        facts = {"count": len(rows), "files": moves.files, "documents": moves.documents}
        await work.events.append(EventKind.RETENTION_CHANGED, table.id, now, facts)
        await work.commit()
    return table


async def table_in_force(work: SqlWork) -> RetentionTable | None:
    """Return the agency's table; None where it has none."""
    return await open_retention(work).newest()


async def expiry_of_file(work: SqlWork, file: FileFacts) -> Expiry | None:
    """Return the end of a file's retention; None where the agency has no table."""
    table = await table_in_force(work)
    return file_expiry(file, table.rows) if table is not None else None


async def expiry_of(work: SqlWork, document: IncomingDocument | OutgoingDocument) -> Expiry | None:
    """Return the end of a document's retention; None where the agency has no table."""
    table = await table_in_force(work)
    files = await open_retention(work).files_of([document.id])
    return document_expiry(await facts_of(work, document, files), table.rows) if table is not None else None


async def facts_of(
    work: SqlWork, document: IncomingDocument | OutgoingDocument, files_of: FilesOf
) -> DocumentFacts:
    """Gather what decides on a document's retention. The caller asks for the files of all its documents at once."""
    files = tuple(files_of.get(document.id, ()))
    if isinstance(document, OutgoingDocument):
        draft = document.draft
        types, day = (draft.type_key, draft.type_name), draft.issued_on or local(document.created_at).date()
        return DocumentFacts(id=document.id, code=draft.code, types=_types(*types), day=day, files=files)
    recalled_on = None
    if document.state is InState.RECALLED:
        agreed = [f.at for f in await work.facts.of_subject(document.id) if f.code == RequestState.AGREED]
        recalled_on = local(max(agreed)).date() if agreed else None
    return DocumentFacts(
        id=document.id,
        code=document.code,
        types=_types(document.type_name),
        day=local(document.arrived_at).date(),
        recalled_on=recalled_on,
        files=files,
    )


def _types(*names: str | None) -> frozenset[str]:
    return frozenset(fold(name) for name in names if name)


def _moved(code: str, present: Expiry, planned: Expiry) -> list[MovedDay]:
    is_same = (present.on, present.is_permanent) == (planned.on, planned.is_permanent)
    return [] if is_same else [MovedDay(code=code, present=present, planned=planned)]


async def _documents(work: SqlWork) -> AsyncIterator[tuple[IncomingDocument | OutgoingDocument, FilesOf]]:
    """Yield the agency's documents of both directions with their files, a page at a time."""
    for repository in (work.incoming, work.outgoing):
        cursor: str | None = None
        while True:
            page = await repository.page(limit=_PAGE, cursor=cursor)
            files = await open_retention(work).files_of([document.id for document in page.items])
            for document in page.items:
                yield document, files
            cursor = page.next_cursor
            if cursor is None:
                break


def _read_row(fields: Mapping[str, str]) -> RetentionRow:
    months = None if fold(fields["months"]) in _PERMANENT else int(fields["months"])
    last_day = fields["valid_until"]
    row = RetentionRow(
        name=fields["class"],
        months=months,
        start=RetentionStart(fields["start"]),
        valid_from=date.fromisoformat(fields["valid_from"]),
        valid_until=date.fromisoformat(last_day) if last_day else None,
        basis=fields["basis"],
        document_type=fields["type"],
        file_kind=fields["file_kind"],
    )
    if not 0 < len(row.name) <= LONGEST_NAME or not 0 < len(row.basis) <= LONGEST_BASIS:
        raise ValueError("a row has a class and its basis")
    if months is not None and not 0 < months <= 1200:
        raise ValueError("a period has 1 to 1200 months, or is permanent")
    if row.file_kind not in _KINDS or (row.file_kind and row.document_type):
        raise ValueError("a row is for a kind of file (usual, construction) or for a type of documents")
    if not is_in_span(row.valid_from) or (row.valid_until is not None and row.valid_until < row.valid_from):
        raise ValueError("a row is valid from a day until a later one")
    return row
