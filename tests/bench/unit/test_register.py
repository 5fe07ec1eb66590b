"""A register that is made larger is one that a node could have: every row that a document has, in the order of their times,
with the indexes, the figures of the planner and the search that were there before."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

from bench import register
from gateway.domain.event import EventKind
from gateway_office.store.store import SqlOfficeStore
from tests.office.support.stores import folded
from tests.support.clock import ManualClock
from tests.support.stores import committing, delivery, incoming, outbox_item, outgoing

ROWS = 500
_SCHEMA = "SELECT type, name, sql FROM sqlite_schema ORDER BY type, name"
_COUNT_FLOOD = "SELECT count(*) FROM list_search WHERE list_search MATCH 'flood'"
_FIGURES = "SELECT tbl, idx, stat FROM sqlite_stat1 ORDER BY tbl, idx"


def _query(file: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(file)) as database:
        return database.execute(sql).fetchall()


def _counts(file: Path) -> dict[str, int]:
    return {
        table: int(_query(file, f"SELECT count(*) FROM {table}")[0][0])  # noqa: S608 - our tables
        for table in register._TABLES
    }


async def test_a_register_is_filled_in_every_table_and_is_otherwise_as_it_was(
    store: SqlOfficeStore, clock: ManualClock, url: str
) -> None:
    file = Path(url.removeprefix("sqlite:///"))
    for _ in range(4):
        async with committing(store) as work:
            sent, received = outgoing(clock), incoming(clock)
            await work.outgoing.add(sent)
            await work.deliveries.add([delivery(sent, "Z91.02")])
            await work.outbox.add(outbox_item(clock, subject_id=sent.id))
            await work.incoming.add(received)
            await work.events.append(EventKind.MESSAGE_ACCEPTED, sent.id, clock.now())
        clock.advance(timedelta(seconds=1))
    await folded(store)
    await store.log.grow(100)
    await store.close()
    counts, schema, figures = _counts(file), _query(file, _SCHEMA), _query(file, _FIGURES)
    ((floods,),) = _query(file, _COUNT_FLOOD)

    grown = register.grow(file, ROWS)

    grown_counts, copies = _counts(file), ROWS // 8 + 1
    assert ROWS <= grown == grown_counts["list_row"] < ROWS + 8
    assert grown_counts == {table: rows * copies for table, rows in counts.items()}
    assert (_query(file, _SCHEMA), _query(file, _FIGURES)) == (schema, figures)
    assert _query(file, "PRAGMA integrity_check") == [("ok",)]
    assert _query(file, "PRAGMA journal_mode") == [("wal",)]
    by_place = _query(file, "SELECT at FROM list_row ORDER BY place")
    assert by_place == sorted(by_place)
    assert _query(file, _COUNT_FLOOD) == [(floods * copies,)]
    assert register.grow(file, ROWS) == grown  # enough already
