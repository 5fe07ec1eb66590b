"""Figures as they are kept: a loop folds numbered events into facts and cells, a batch at a time. In: the store. Out: facts
and cells changed together with the place up to which events are counted, in one transaction; sums of cells for a report.

Nothing is computed while a document is accepted or received. A batch is computed outside of the writing transaction, which
begins by moving the place on: of two processes with the same batch, the second one finds it moved, and writes nothing."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from operator import methodcaller
from typing import Any

from sqlalchemy import and_, delete, func, or_, select, update
from sqlmodel import col

from gateway.domain import figure_cells, figures
from gateway.domain.document import IncomingDocument, OutgoingDocument, OutState
from gateway.domain.event import Event, EventKind
from gateway.domain.figure_cells import FigureFilter
from gateway.domain.figures import (
    COUNTED_KINDS,
    DAY,
    IN,
    MEASURES,
    MONTH,
    OUT,
    Cell,
    Dimension,
    FactKey,
    Facts,
    FigureFact,
)
from gateway.store.repository import in_parts
from gateway.store.row import equal, from_json, same
from gateway.store.store import SqlStore
from gateway.store.tables import IncomingRow, OutgoingRow
from gateway.store.tables_figures import FigureDayRow, FigureFactRow, FigureFrozenRow, FigureStateRow
from gateway.store.tables_node import EventRow
from gateway.store.transaction import Transaction

EVENTS_AT_ONCE, FACTS_AT_ONCE = 300, 500
# A new name counts all events anew, as for the measures or cells of a new version.
_NAME = "figures 3"
_COLUMNS = (*Cell._fields, *MEASURES)
_EVENT = tuple(
    col(column)
    for column in (
        EventRow.agency_id,
        EventRow.kind,
        EventRow.at,
        EventRow.subject_id,
        EventRow.principal_id,
        EventRow.data,
        FigureFrozenRow.data,
    )
)
_IS_FROZEN = same(FigureFrozenRow.event_id, EventRow.id)
_FACT, _CELL, _STATE = FigureFactRow, FigureDayRow, FigureStateRow
_isoformat = methodcaller("isoformat")
_DEFAULTS = (None, *(FigureFact._field_defaults[name] for name in FigureFact._fields[1:]))
_PARSERS: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("day", "reply_by", "replied", "due"), date.fromisoformat),
    **dict.fromkeys(("began", "delivered", "taken", "done"), datetime.fromisoformat),
    "to_know": tuple,
    "answers": lambda pairs: tuple((code, day) for code, day in pairs),
}
_DESCRIBED = (EventKind.MESSAGE_ACCEPTED, EventKind.INBOX_RECEIVED, EventKind.INBOX_HELD)
Sums = dict[str, dict[str, int]]
"""Sums of measures, by the value of the group's column."""


async def fold_next(store: SqlStore, limit: int = EVENTS_AT_ONCE) -> int:
    """Count the next events; return how many numbers the place moved on, or 0 where another process counted them."""
    async with store.reading() as tx:
        place = await read_place(tx)
        end, events = await load_events(tx, place, limit)
        old_facts = await _load_facts(tx, events)
    if end <= place:
        return 0
    new_facts = figures.fold(old_facts, events)
    async with store.writing() as tx:
        if not await _move(tx, place, end):
            return 0
        if place == 0:
            for table in (_FACT, _CELL):
                await tx.change(delete(table))
        for (agency_id, id), fact in new_facts.items():
            row = FigureFactRow.from_value(fact, agency_id=agency_id, id=id, body=fact_to_json(fact))
            tx.upsert_later(row, "body", "side", "day")
        cells = figure_cells.changes_of(old_facts, new_facts)
        # Sorted, because a range of keys is then written page by page.
        rows = [dict(zip(_COLUMNS, (*cell, *cells[cell]), strict=True)) for cell in sorted(cells)]
        tx.add_up_later(_CELL, MEASURES, rows)
        await tx.commit()
    return end - place


def fact_to_json(fact: FigureFact) -> str:
    """Write the fields that differ from their defaults."""
    values = zip(fact._fields, fact, _DEFAULTS, strict=True)
    differing = {name: value for name, value, default in values if value != default}
    return json.dumps(differing, ensure_ascii=False, separators=(",", ":"), default=_isoformat)


def fact_from_json(text: str) -> FigureFact:
    values = json.loads(text)
    for name in values.keys() & _PARSERS.keys():
        values[name] = _PARSERS[name](values[name])
    return FigureFact(**values)


async def load_events(tx: Transaction, place: int, limit: int) -> tuple[int, Sequence[Event]]:
    """Load the events behind a place that change figures, among at most `limit` numbers; return the last of these numbers
    with them. All numbers up to it are given, since numbers are given without gaps."""
    last = await tx.scalar(select(func.max(col(EventRow.node_seq))))
    end = min(last or 0, place + limit)
    number = col(EventRow.node_seq)
    query = select(*_EVENT).join_from(EventRow, FigureFrozenRow, _IS_FROZEN, isouter=True)
    query = query.where(number > place, number <= end, col(EventRow.kind).in_(COUNTED_KINDS))
    rows = await tx.tuples(query.order_by(number))
    events = [
        Event(
            id="",
            kind=EventKind(kind),
            at=at,
            subject_id=subject_id,
            principal_id=principal_id,
            agency_id=agency_id or None,
            data=json.loads(data) | (json.loads(frozen) if frozen else {}),
        )
        for agency_id, kind, at, subject_id, principal_id, data, frozen in rows
    ]
    return end, await describe(tx, events)


async def freeze_texts(tx: Transaction, event: EventRow, deleted: Mapping[str, object]) -> str | None:
    """Keep the texts that figures count before they are deleted from an event, with those frozen before; return the digest
    of all of them for the log, None where none is counted."""
    counted = {name: value for name, value in deleted.items() if name in figures.COUNTED_TEXTS}
    counted |= {name: True for name, value in deleted.items() if name in figures.COUNTED_IF_PRESENT and value}
    if event.kind not in COUNTED_KINDS or not counted:
        return None
    mine = equal(FigureFrozenRow, agency_id=event.agency_id, event_id=event.id)
    earlier = await tx.first(FigureFrozenRow, select(FigureFrozenRow).where(mine))
    texts = (json.loads(earlier.data) if earlier is not None else {}) | counted
    data = json.dumps(texts, sort_keys=True, ensure_ascii=False)
    await tx.upsert(FigureFrozenRow(agency_id=event.agency_id, event_id=event.id, data=data))
    return digest_of_frozen(data)


def digest_of_frozen(data: str) -> str:
    return hashlib.sha256(data.encode()).hexdigest()


async def clear(store: SqlStore) -> None:
    """Delete all figures, so that the loop, or the caller, counts all events again."""
    async with store.changing_rows() as tx:
        for table in (_FACT, _CELL, _STATE):
            await tx.change(delete(table))


async def read_place(tx: Transaction) -> int:
    """Return the node's number of the last event that is counted."""
    return int(await tx.scalar(select(col(_STATE.seq)).where(col(_STATE.name) == _NAME)) or 0)


async def _move(tx: Transaction, place: int, new_place: int) -> bool:
    """Move the place on; return False where another process has moved it."""
    if place == 0:
        return await tx.insert_new(FigureStateRow(name=_NAME, seq=new_place))
    moved = update(_STATE).where(col(_STATE.name) == _NAME, col(_STATE.seq) == place)
    return await tx.change(moved.values(seq=new_place)) == 1


async def _load_facts(tx: Transaction, events: Sequence[Event]) -> Facts:
    keys, parents = figures.keys_of(events)
    facts: Facts = {}
    for column, fact_keys in ((col(_FACT.id), keys), (col(_FACT.parent), parents)):
        agencies = sorted({agency_id for agency_id, _ in fact_keys})
        for part in in_parts(sorted(id for _, id in fact_keys)):
            query = select(_FACT).where(col(_FACT.agency_id).in_(agencies), column.in_(part))
            if fact_keys is parents:
                query = query.where(col(_FACT.parent) != "")
            facts |= {
                (row.agency_id, row.id): fact_from_json(row.body) for row in await tx.rows(_FACT, query)
            }
    return facts


async def describe(tx: Transaction, events: Sequence[Event]) -> Sequence[Event]:
    """Complete events that an earlier version wrote without describing their document, from the document's row. A document
    that is still a draft, or is gone, is not described."""
    bare = [event for event in events if _lacks_description(event)]
    if not bare:
        return events
    descriptions = await _describe_outgoing(tx, bare) | await _describe_incoming(tx, bare)
    return [
        replace(event, data={**event.data, **descriptions.get((event.agency_id or "", event.subject_id), {})})
        if _lacks_description(event)
        else event
        for event in events
    ]


def _lacks_description(event: Event) -> bool:
    """Tell whether an event, written by an earlier version, begins a document without describing it."""
    if event.kind is EventKind.BOOK_ENTERED:
        return event.subject_id.startswith("inb_") and "urgency" not in event.data
    begins = event.kind in _DESCRIBED and ("kind" in event.data or "from_draft" in event.data)
    return begins and "draft" not in event.data and "urgency" not in event.data


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


# --- sums for a report ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CellQuery:
    """Cells to sum up: of these agencies, one side and one dimension, in whole days; of a pair in whole months. `unit`: of
    the agency where empty, of every unit for None; the first value of a pair. `key` narrows to one key, `before` to due
    days before that day. `by_days` reads no months."""

    agencies: Sequence[str]
    side: str
    dimension: str
    since: date
    until: date
    measures: Sequence[str]
    unit: Sequence[str] | None = ("",)
    key: str | None = None
    before: date | None = None
    by_days: bool = False


class Group(StrEnum):
    """Column whose values are the lines."""

    KEY = "key"
    UNIT = "unit"
    AGENCY = "agency_id"
    DAY = "day"


async def sum_all(store: SqlStore, queries: Sequence[tuple[CellQuery, Group]]) -> list[Sums]:
    """Answer several queries from one view."""
    async with store.reading() as tx:
        return [await sum_cells(tx, query, group) for query, group in queries]


async def sum_cells(tx: Transaction, query: CellQuery, group: Group) -> Sums:
    """Sum up cells by the group's column: of months as far as the period has whole ones, and of days at its edges. A whole
    month that is grouped by `DAY` is named by its first day."""
    sums: Sums = {}
    names = list(query.measures)
    column = getattr(FigureDayRow, group.value)
    totals = [func.sum(getattr(FigureDayRow, name)) for name in names]
    spans = split_into_spans(query.since, query.until)
    # Each unit is a range of the key; all that are not empty would be one range over every day that was ever counted.
    units = await _units_of(tx, query) if query.unit is None else query.unit
    for span, first, last in [(DAY, query.since, query.until)] if query.by_days else spans:
        conditions = [
            col(_CELL.agency_id).in_(sorted(query.agencies)),
            col(_CELL.side) == query.side,
            col(_CELL.dimension) == str(query.dimension),
            col(_CELL.unit).in_(sorted(units)),
            col(_CELL.span) == span,
            col(_CELL.day) >= first,
            col(_CELL.day) <= last,
        ]
        if query.key is not None:
            conditions.append(col(_CELL.key) == query.key)
        if query.before is not None:
            conditions.append(col(_CELL.key) < query.before.isoformat())
        for value, *values in await tx.tuples(select(column, *totals).where(*conditions).group_by(column)):
            line = sums.setdefault(str(value), dict.fromkeys(names, 0))
            for name, n in zip(names, values, strict=True):
                line[name] += int(n or 0)
    return sums


async def find_counted(tx: Transaction, agency_id: str, figure_filter: FigureFilter) -> list[str]:
    """Return the document of each fact that a figure counts: a document once for each of its deliveries that count."""
    in_period = and_(
        col(_FACT.side) == figure_filter.side,
        col(_FACT.day) >= figure_filter.since,
        col(_FACT.day) <= figure_filter.until,
    )
    written_before = and_(col(_FACT.side).is_(None), col(_FACT.day).is_(None))
    query = select(col(_FACT.id), col(_FACT.parent), col(_FACT.body))
    query = query.where(col(_FACT.agency_id) == agency_id, or_(in_period, written_before))
    documents: list[str] = []
    for n, (id, parent, body) in enumerate(await tx.tuples(query)):
        if n % FACTS_AT_ONCE == 0:
            await asyncio.sleep(0)  # a year of facts is read without holding up others
        if figure_filter.counts(fact_from_json(body)):
            documents.append(parent or id)
    return documents


def split_into_spans(since: date, last_day: date) -> list[tuple[str, date, date]]:
    """Split a period into whole months, and days before and after them; in the order of time."""
    first = since if since.day == 1 else _next_month(since)
    end = _next_month(last_day)  # whole months end before it
    last = end if last_day + timedelta(days=1) == end else last_day.replace(day=1)
    if first >= last:
        return [(DAY, since, last_day)] if since <= last_day else []
    spans = [(DAY, since, first - timedelta(days=1)), (MONTH, first, last - timedelta(days=1))]
    spans.append((DAY, last, last_day))
    return [span for span in spans if span[1] <= span[2]]


def _next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


async def _units_of(tx: Transaction, query: CellQuery) -> Sequence[str]:
    mine = (col(_CELL.agency_id).in_(sorted(query.agencies)), col(_CELL.side) == query.side)
    of_unit = (col(_CELL.dimension) == "", col(_CELL.span) == MONTH, col(_CELL.unit) != "")
    rows = await tx.tuples(select(col(_CELL.unit)).where(*mine, *of_unit).distinct())
    return [unit for (unit,) in rows]


async def list_units(tx: Transaction, agency_id: str) -> Sequence[str]:
    """Return the units that any document was assigned to or came from, `NO_UNIT` among them."""
    mine = (col(_CELL.agency_id) == agency_id, col(_CELL.side).in_((IN, OUT)), col(_CELL.dimension) == "")
    query = select(col(_CELL.unit)).where(*mine, col(_CELL.span) == MONTH, col(_CELL.unit) != "").distinct()
    return sorted(unit for (unit,) in await tx.tuples(query))


async def list_types(tx: Transaction, agency_id: str) -> Sequence[str]:
    """Return the types of documents that were sent or came."""
    mine = (col(_CELL.agency_id) == agency_id, col(_CELL.side).in_((IN, OUT)), col(_CELL.unit) == "")
    of_type = (col(_CELL.dimension) == Dimension.TYPE.value, col(_CELL.span) == MONTH, col(_CELL.key) != "")
    query = select(col(_CELL.key)).where(*mine, *of_type).distinct()
    return sorted(name for (name,) in await tx.tuples(query))
