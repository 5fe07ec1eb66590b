"""Figures as they are kept: a loop folds numbered events into facts and cells, a batch at a time. In: the store. Out: facts
and cells changed together with the place up to which events are counted, in one transaction; sums of cells for a report.

Nothing is computed while a document is accepted or received. A batch is computed outside of the writing transaction, which
begins by moving the place on: of two processes with the same batch, the second one finds it moved, and writes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import delete, select, update
from sqlmodel import col

from gateway.domain import figures
from gateway.domain.document import IncomingDocument, OutgoingDocument, OutState
from gateway.domain.event import Event, EventKind
from gateway.domain.figures import MEASURES, Cell, FactKey, Facts, FigureFact
from gateway.store.repository import in_parts
from gateway.store.row import from_json
from gateway.store.store import SqlStore
from gateway.store.tables import IncomingRow, OutgoingRow
from gateway.store.tables_figures import FigureDayRow, FigureFactRow, FigureStateRow
from gateway.store.transaction import Transaction

EVENTS_AT_ONCE = 300
_NAME = "figures"
_FACT, _CELL, _STATE = FigureFactRow, FigureDayRow, FigureStateRow


async def fold_next(store: SqlStore, limit: int = EVENTS_AT_ONCE) -> int:
    """Count the next events; return how many were read, or 0 when another process counted them."""
    async with store.reading() as tx:
        place = await read_place(tx)
        events = await store.events_after(None, place, limit)
        events = await describe(tx, events)
        before = await _load_facts(tx, events)
    if not events or events[-1].node_seq is None:
        return 0
    after = figures.fold(before, events)
    async with store.writing() as tx:
        if not await _move(tx, place, events[-1].node_seq):
            return 0
        for (agency_id, id), fact in after.items():
            row = FigureFactRow(agency_id=agency_id, id=id, parent=fact.parent, body=fact.to_json())
            tx.upsert_later(row, "body")
        cells = figures.changes_of(before, after)
        # Sorted, because a range of keys is then written page by page.
        tx.add_up_later(MEASURES, *(_to_row(cell, cells[cell]) for cell in sorted(cells)))
        await tx.commit()
    return len(events)


async def clear(store: SqlStore) -> None:
    """Delete all figures, so that the loop, or the caller, counts all events again."""
    async with store.writing() as tx:
        for table in (_FACT, _CELL, _STATE):
            await tx.change(delete(table))
        await tx.commit()


async def read_place(tx: Transaction) -> int:
    """Return the node's number of the last event that is counted."""
    row = await tx.first(_STATE, select(_STATE).where(col(_STATE.name) == _NAME))
    return row.seq if row is not None else 0


async def _move(tx: Transaction, place: int, new_place: int) -> bool:
    """Move the place on; return False where another process has moved it."""
    if place == 0:
        return await tx.insert_new(FigureStateRow(name=_NAME, seq=new_place))
    moved = update(_STATE).where(col(_STATE.name) == _NAME, col(_STATE.seq) == place)
    return await tx.change(moved.values(seq=new_place)) == 1


async def _load_facts(tx: Transaction, events: Sequence[Event]) -> Facts:
    keys, whole = figures.keys_of(events)
    facts: Facts = {}
    for column, wanted in ((col(_FACT.id), keys), (col(_FACT.parent), whole)):
        agencies = sorted({agency_id for agency_id, _ in wanted})
        for part in in_parts(sorted(id for _, id in wanted)):
            query = select(_FACT).where(col(_FACT.agency_id).in_(agencies), column.in_(part))
            if wanted is whole:
                query = query.where(col(_FACT.parent) != "")
            facts |= {
                (row.agency_id, row.id): FigureFact.from_json(row.body) for row in await tx.rows(_FACT, query)
            }
    return facts


def _to_row(cell: Cell, values: Sequence[int]) -> FigureDayRow:
    return FigureDayRow(**cell._asdict(), **dict(zip(MEASURES, values, strict=True)))


async def describe(tx: Transaction, events: Sequence[Event]) -> Sequence[Event]:
    """Complete events that an earlier version wrote without describing their document, from the document's row. A document
    that is still a draft, or is gone, is not described."""
    bare = [event for event in events if figures.lacks_description(event)]
    if not bare:
        return events
    known = await _describe_outgoing(tx, bare) | await _describe_incoming(tx, bare)
    return [
        replace(event, data={**event.data, **known.get((event.agency_id or "", event.subject_id), {})})
        if figures.lacks_description(event)
        else event
        for event in events
    ]


async def _describe_outgoing(tx: Transaction, events: Sequence[Event]) -> dict[FactKey, dict[str, object]]:
    bodies = await _bodies(tx, OutgoingRow, [e for e in events if e.kind is EventKind.MESSAGE_ACCEPTED])
    documents = {key: from_json(OutgoingDocument, body) for key, body in bodies}
    return {
        key: {
            "legal_value": document.legal_value,
            **figures.describe_sent(document, document.draft.delivery_mode),
        }
        for key, document in documents.items()
        if document.state not in (OutState.DRAFT, OutState.BLOCKED) and document.kind.is_whole
    }


async def _describe_incoming(tx: Transaction, events: Sequence[Event]) -> dict[FactKey, dict[str, object]]:
    bodies = await _bodies(tx, IncomingRow, [e for e in events if e.kind is not EventKind.MESSAGE_ACCEPTED])
    documents = {key: from_json(IncomingDocument, body) for key, body in bodies}
    return {
        # The assignment has an event of its own.
        key: {**figures.describe_received(replace(document, assignment=None)), "from": document.sender_code}
        for key, document in documents.items()
        if document.kind.is_whole
    }


async def _bodies(tx: Transaction, table: Any, events: Iterable[Event]) -> list[tuple[FactKey, str]]:
    agencies = sorted({event.agency_id or "" for event in events})
    bodies: list[tuple[FactKey, str]] = []
    for part in in_parts(sorted({event.subject_id for event in events})):
        query = select(table.agency_id, table.id, table.body).where(
            table.agency_id.in_(agencies), table.id.in_(part)
        )
        bodies += [((agency_id, id), body) for agency_id, id, body in await tx.tuples(query)]
    return bodies
