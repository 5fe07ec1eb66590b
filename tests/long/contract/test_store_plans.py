"""With a long backlog and a long history a claim, the sequencer and a scrape read what they need, and sort nothing."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Executable, insert, text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ClauseElement, Select

from gateway.domain.document import Kind, Lane
from gateway.domain.pace import Horizon
from gateway.store import events, inbox, jobs, outbox, reporting
from gateway.store.inbox import inbox_row
from gateway.store.outbox import from_domain as outbox_row
from gateway.store.row import Row
from gateway.store.store import SqlStore
from gateway.store.tables import DeliveryRow, InboxRow, JobRow, OutboxRow
from gateway.store.tables_node import EventRow
from tests.support.clock import START, ManualClock
from tests.support.stores import (
    NORTH,
    committing,
    delivery,
    digest,
    inbox_item,
    outbox_item,
    outgoing,
    stored,
)

MANY = 20_000
LEASE_S = 60


class Explain(Executable, ClauseElement):
    """Statement that returns the database's plan for another one without running it."""

    inherit_cache = False

    def __init__(self, statement: Executable) -> None:
        self.statement = statement


@compiles(Explain, "postgresql")
def _on_a_server(element: Explain, compiler: Any, **kw: Any) -> str:
    return f"EXPLAIN {compiler.process(element.statement, **kw)}"


@compiles(Explain, "sqlite")
def _in_a_file(element: Explain, compiler: Any, **kw: Any) -> str:
    return f"EXPLAIN QUERY PLAN {compiler.process(element.statement, **kw)}"


async def fill(store: SqlStore, table: type[Row], rows: list[dict[str, Any]]) -> None:
    """Insert the rows, and refresh a server's statistics of the table as it would soon do itself; SQLite keeps none."""
    async with store.writer.begin() as connection:
        await connection.execute(insert(table), rows)
        if connection.dialect.name == "postgresql":
            await connection.execute(text("ANALYZE"))


async def plan(store: SqlStore, statement: Executable, **values: object) -> str:
    async with store.writing() as tx:
        return "\n".join(str(tuple(row)) for row in await tx.tuples(Explain(statement), **values))


def sorts_everything(report: str) -> bool:
    """Tell whether a plan sorts a backlog. Ordering equal keys in an order that exists (`Incremental Sort`, `LAST TERM`)
    is no such sort."""
    lines = [line for line in report.splitlines() if "Incremental Sort" not in line and "LAST" not in line]
    return any("Sort  (" in line or "TEMP B-TREE FOR ORDER BY" in line for line in lines)


def waiting(row: dict[str, Any], at: str) -> list[dict[str, Any]]:
    """Make many rows like that one, the oldest first; the last three are urgent."""
    lanes = [Lane.NORMAL.value] * (MANY - 3) + [Lane.URGENT.value] * 3
    own = ({"id": f"{n:06}", at: START + timedelta(milliseconds=n)} for n in range(MANY))
    return [row | row_id | {"lane": lane} for row_id, lane in zip(own, lanes, strict=True)]


def times(clock: ManualClock) -> dict[str, datetime]:
    horizon = Horizon.from_lease(clock.now(), LEASE_S)
    return {"now": horizon.now, "far_lease": horizon.lease, "far_retry": horizon.retry}


async def test_r46_a_claim_from_a_long_backlog_sorts_nothing_and_takes_the_urgent_first(
    store: SqlStore, clock: ManualClock
) -> None:
    landed = waiting(inbox_row(inbox_item(clock)).values(), "received_at")
    await fill(store, OutboxRow, waiting(outbox_row(outbox_item(clock)).values(), "created_at"))
    await fill(store, InboxRow, [row | {"file_digest": digest(row["id"])} for row in landed])

    for queue in (outbox._QUEUE, inbox._QUEUE):
        for find in (queue.find, queue.ordinary):
            assert find is not None
            report = await plan(store, find, **times(clock), most=16)
            assert not sorts_everything(report), report

    expected = [f"{n:06}" for n in (*range(MANY - 3, MANY), 0, 1)]
    assert [row.item.id for row in await store.claim_outbox(5, LEASE_S)] == expected
    assert [row.item.id for row in await store.claim_inbox(5, LEASE_S)] == expected


async def test_a_claim_from_many_jobs_sorts_nothing_and_takes_the_oldest(
    store: SqlStore, clock: ManualClock
) -> None:
    rows = [
        JobRow(
            agency_id=NORTH.agency_id,
            id=f"job_{n:06}",
            kind="pack",
            subject_id="msg-1",
            created_at=START - timedelta(seconds=n),
        ).values()
        for n in range(MANY)
    ]
    await fill(store, JobRow, rows)

    report = await plan(store, jobs._QUEUE.find, **times(clock), most=16, kind="pack")
    (oldest,) = await store.claim_jobs("pack", 1, LEASE_S)

    assert not sorts_everything(report), report
    assert oldest.id == rows[-1]["id"]


async def test_the_last_events_are_found_without_a_walk_through_all_of_them(store: SqlStore) -> None:
    """Also when the server's figures are of a time when many had no number."""
    rows = [
        {
            "agency_id": NORTH.agency_id,
            "id": f"evt_{n}",
            "kind": "message.accepted",
            "at": START,
            "subject_id": "msg-1",
            "principal_id": "prn",
            "data": "{}",
        }
        for n in range(1, MANY + 1)
    ]
    await fill(store, EventRow, rows)
    async with store.writer.begin() as connection:
        old = text("UPDATE event SET node_seq = position WHERE position <= :last")
        await connection.execute(old, {"last": MANY - 2})

    report = await plan(store, events.UNNUMBERED, most=500)

    assert "Index Scan" in report or "INDEX" in report, report
    assert "event_pkey" not in report


@pytest.mark.parametrize("which", [reporting.DELIVERIES, reporting.SILENT], ids=["by state", "late"])
async def test_a_scrape_reads_no_delivery_that_came_to_its_end(
    store: SqlStore, clock: ManualClock, which: Select[Any]
) -> None:
    document = outgoing(clock)
    await stored(store, document, delivery(document, "Z91.02", "sent"))
    ended = [
        DeliveryRow(
            agency_id=NORTH.agency_id,
            id=f"dlv_{n}",
            document_id=document.id,
            attempt=1,
            position=n,
            code="Z91.09",
            state="delivered",
            updated_at=clock.now(),
            recipient="{}",
            marks="[]",
        ).values()
        for n in range(MANY)
    ]
    await fill(store, DeliveryRow, ended)

    report = await plan(store, which, **({"before": clock.now()} if which is reporting.SILENT else {}))

    assert "ix_delivery_updated" in report, report
    assert (await reporting.load(store, clock.now())).deliveries == {"sent": 1}


async def test_what_ended_is_history_and_counted_nowhere(store: SqlStore, clock: ManualClock) -> None:
    async with committing(store) as work:
        for state in ("waiting", "sent", "failed", "cancelled"):
            await work.outbox.add(outbox_item(clock, kind=Kind.STATUS, state=state))
        for state in ("landed", "done", "held", "released", "discarded"):
            await work.inbox.land(inbox_item(clock, state=state))

    counts = await store.counts()

    assert {name for name in counts if name.startswith(("outbox", "inbox"))} == {
        "outbox.waiting",
        "outbox.failed",
        "inbox.landed",
        "inbox.held",
    }
