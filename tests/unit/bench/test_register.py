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
from gateway.office.store.store import SqlOfficeStore
from tests.support.clock import ManualClock
from tests.support.stores import committing, delivery, folded, incoming, outbox_item, outgoing

WANTED = 500
_SCHEMA = "SELECT type, name, sql FROM sqlite_schema ORDER BY type, name"
_FOUND = "SELECT count(*) FROM list_search WHERE list_search MATCH 'flood'"
_FIGURES = "SELECT tbl, idx, stat FROM sqlite_stat1 ORDER BY tbl, idx"


def _asked(file: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(file)) as database:
        return database.execute(sql).fetchall()


def _counts(file: Path) -> dict[str, int]:
    return {
        table: int(_asked(file, f"SELECT count(*) FROM {table}")[0][0])  # noqa: S608 - our tables
        for table in register._TABLES
    }


async def test_a_register_is_filled_in_every_table_and_is_otherwise_as_it_was(
    store: SqlOfficeStore, clock: ManualClock, url: str
) -> None:
    file = Path(url.removeprefix("sqlite:///"))
    for _ in range(4):
        async with committing(store) as work:
            sent, came = outgoing(clock), incoming(clock)
            await work.outgoing.add(sent)
            await work.deliveries.add([delivery(sent, "Z91.02")])
            await work.outbox.put(outbox_item(clock, subject_id=sent.id))
            await work.incoming.add(came)
            await work.events.append(EventKind.MESSAGE_ACCEPTED, sent.id, clock.now())
        clock.advance(timedelta(seconds=1))
    await folded(store)
    await store.log.grow(100)
    await store.close()
    before, schema, figures = _counts(file), _asked(file, _SCHEMA), _asked(file, _FIGURES)
    ((found,),) = _asked(file, _FOUND)

    there = register.grow(file, WANTED)

    after, copies = _counts(file), WANTED // 8 + 1
    assert WANTED <= there == after["list_row"] < WANTED + 8
    assert after == {table: rows * copies for table, rows in before.items()}
    assert (_asked(file, _SCHEMA), _asked(file, _FIGURES)) == (schema, figures)
    assert _asked(file, "PRAGMA integrity_check") == [("ok",)]
    assert _asked(file, "PRAGMA journal_mode") == [("wal",)]
    by_place = _asked(file, "SELECT at FROM list_row ORDER BY place")
    assert by_place == sorted(by_place)
    assert _asked(file, _FOUND) == [(found * copies,)]
    assert register.grow(file, WANTED) == there  # enough already
