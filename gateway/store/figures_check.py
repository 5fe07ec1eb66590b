"""Counts the event log anew, and compares it with the figures that are kept. In: the store. Out: the cells that differ,
each with what is kept and what the log says; none when all agree. Facts and cells of the new count lie in a temporary file
of this process, so that memory does not grow with the log, and nothing is written in the database. Texts that were deleted
from the log count as they were frozen then; events are named whose frozen texts differ from their digest in the log."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from operator import attrgetter

from sqlalchemy import select
from sqlmodel import col

from gateway.domain import figure_cells, figures
from gateway.domain.event import Event, EventKind
from gateway.domain.figures import MEASURES, Cell, FactKey, Facts, FigureFact
from gateway.store.figures import (
    digest_of_frozen,
    fact_from_json,
    fact_to_json,
    load_events,
    read_place,
)
from gateway.store.store import SqlStore
from gateway.store.tables_figures import FigureDayRow, FigureFrozenRow
from gateway.store.tables_node import EventRow
from gateway.store.transaction import Transaction

_EVENTS_AT_ONCE = 2_000
_KEY = Cell._fields
_KINDS = ("counted", "kept")
_ZEROS = (0,) * len(MEASURES)


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureDifference:
    """One cell whose kept figures are not those of the log: its measures that differ, as kept and as counted."""

    cell: Cell
    stored: Mapping[str, int]
    counted: Mapping[str, int]


async def check(store: SqlStore, most: int = 1_000) -> tuple[int, list[FigureDifference]]:
    """Compare; return how many events were counted, and up to `most` cells that differ."""
    with closing(_Recount()) as recount:
        async with store.reading() as tx:
            end = await read_place(tx)
        place = await _count_up_to(store, recount, 0, end)
        # The loop goes on meanwhile: what it has counted since is counted here too, in the view that is compared.
        async with store.reading() as tx:
            end = await read_place(tx)
            await _count_up_to(store, recount, place, end)
            async for rows in _kept_rows(tx):
                recount.add_kept(rows)
        return end, list(recount.differences(most))


async def altered_texts(store: SqlStore) -> list[str]:
    """Return the ids of events whose frozen texts are not those of the digest in the log: they were changed, removed or put
    there behind it."""
    async with store.reading() as tx:
        erasures = select(col(EventRow.subject_id), col(EventRow.data)).where(
            col(EventRow.kind) == EventKind.LOG_ERASED.value
        )
        rows = await tx.tuples(erasures.order_by(col(EventRow.position)))
        frozen = await tx.rows(FigureFrozenRow, select(FigureFrozenRow))
    logged = {id: digest for id, data in rows if (digest := json.loads(data).get("figures"))}
    frozen_digests = {row.event_id: digest_of_frozen(row.data) for row in frozen}
    return sorted(
        id for id in logged.keys() | frozen_digests.keys() if logged.get(id) != frozen_digests.get(id)
    )


async def _count_up_to(store: SqlStore, recount: _Recount, place: int, end: int) -> int:
    while place < end:
        async with store.reading() as tx:
            place, events = await load_events(tx, place, min(_EVENTS_AT_ONCE, end - place))
        recount.add(events)
    return place


async def _kept_rows(tx: Transaction) -> AsyncIterator[Sequence[FigureDayRow]]:
    """Yield all cells in pieces: agency by agency and day by day, so that no row is read twice."""
    agencies = [row[0] for row in await tx.tuples(select(col(FigureDayRow.agency_id)).distinct())]
    for agency_id in agencies:
        mine = col(FigureDayRow.agency_id) == agency_id
        days = await tx.tuples(select(col(FigureDayRow.day)).where(mine).distinct())
        for (day,) in days:
            yield await tx.rows(FigureDayRow, select(FigureDayRow).where(mine, col(FigureDayRow.day) == day))


class _Recount:
    """Facts and cells of a new count, in a temporary file. Each cell has what was counted, and what is kept."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("")
        keys, sums = ", ".join(_KEY), [f"{kind}_{name}" for kind in _KINDS for name in MEASURES]
        marks = ", ".join("?" * (len(_KEY) + len(sums)))
        assignments = ", ".join(f"{name} = {name} + excluded.{name}" for name in sums)
        for statement in (
            "CREATE TABLE fact (agency_id, id, parent, body, PRIMARY KEY (agency_id, id)) WITHOUT ROWID",
            "CREATE INDEX parent ON fact (agency_id, parent) WHERE parent <> ''",
            f"CREATE TABLE cell ({keys}, {', '.join(sums)}, PRIMARY KEY ({keys})) WITHOUT ROWID",
        ):
            self._db.execute(statement)
        # Only names of our own columns are put into the text.
        self._put = f"INSERT INTO cell VALUES ({marks}) ON CONFLICT DO UPDATE SET {assignments}"  # noqa: S608
        differ = " OR ".join(f"counted_{name} <> kept_{name}" for name in MEASURES)
        self._differing = f"SELECT * FROM cell WHERE {differ} ORDER BY day, {keys}"  # noqa: S608

    def close(self) -> None:
        self._db.close()

    def add(self, events: Sequence[Event]) -> None:
        old_facts = self._load(events)
        new_facts = figures.fold(old_facts, events)
        self._db.executemany(
            "INSERT OR REPLACE INTO fact VALUES (?, ?, ?, ?)",
            [(*key, fact.parent, fact_to_json(fact)) for key, fact in new_facts.items()],
        )
        changes = figure_cells.changes_of(old_facts, new_facts)
        self._db.executemany(
            self._put,
            [
                (*cell[:5], cell.day.isoformat(), cell.key, *values, *_ZEROS)
                for cell, values in changes.items()
            ],
        )

    def add_kept(self, rows: Sequence[FigureDayRow]) -> None:
        key, measures = attrgetter(*_KEY), attrgetter(*MEASURES)
        cells = [(Cell(*key(row)), measures(row)) for row in rows]
        self._db.executemany(
            self._put,
            [(*cell[:5], cell.day.isoformat(), cell.key, *_ZEROS, *values) for cell, values in cells],
        )

    def differences(self, most: int) -> Iterator[FigureDifference]:
        """Yield cells that differ, by day; a cell that is missing on one side has zeros there."""
        for row in self._db.execute(self._differing).fetchmany(most):
            key, counted, stored = row[: len(_KEY)], row[len(_KEY) : -len(MEASURES)], row[-len(MEASURES) :]
            differing = [m for m in zip(MEASURES, counted, stored, strict=True) if m[1] != m[2]]
            yield FigureDifference(
                cell=Cell._make((*key[:5], date.fromisoformat(key[5]), key[6])),
                counted={name: n for name, n, _ in differing},
                stored={name: n for name, _, n in differing},
            )

    def _load(self, events: Sequence[Event]) -> Facts:
        keys, parents = figures.keys_of(events)
        by_key = "SELECT agency_id, id, body FROM fact WHERE (agency_id, id) IN (SELECT j.value ->> 0, j.value ->> 1 "
        by_parent = by_key.replace("(agency_id, id)", "parent <> '' AND (agency_id, parent)")
        facts: dict[FactKey, FigureFact] = {}
        for query, fact_keys in ((by_key, keys), (by_parent, parents)):
            rows = self._db.execute(f"{query}FROM json_each(?) j)", (json.dumps(sorted(fact_keys)),))
            facts |= {(agency_id, id): fact_from_json(body) for agency_id, id, body in rows}
        return facts
