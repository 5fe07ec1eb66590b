"""Writes the rows of documents that are older than lists. In: the store and how many at once. Out: whether there are
more. The node goes on working meanwhile: each batch is a short transaction, and whatever is written by both ends as the
later one says. Also works out the figures of days."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import and_, or_, select
from sqlmodel import col

from gateway.office.domain.listing import Side
from gateway.office.store import lists_figures
from gateway.office.store.lists_write import DueNow, ListWriter
from gateway.store.tables import IncomingRow, OutgoingRow
from gateway.store.tables_office import ListFillRow
from gateway.store.transaction import Transaction

_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
# An older version of the program, at work on the same database while this one starts, writes no rows.
AGAIN = timedelta(days=2)
Unit = Callable[[], AbstractAsyncContextManager[Transaction]]


async def fill(reading: Unit, writing: Unit, agencies: Sequence[str], limit: int, due: DueNow) -> bool:
    """One batch, of one agency and side; True when there may be more."""
    for agency_id in agencies:
        for side in Side:
            async with reading() as tx:
                at = await _reached(tx, agency_id, side)
            if at is None or not at.done:
                await _batch(writing, agency_id, side, at, limit, due)
                return True
    return False


async def again(writing: Unit, now: datetime) -> None:
    """What was filled is looked through once more from two days ago: for the start of a process."""
    async with writing() as tx:
        for row in await tx.rows(ListFillRow, select(ListFillRow).where(col(ListFillRow.done).is_(True))):
            since = min(row.at, now - AGAIN)
            back = ListFillRow(agency_id=row.agency_id, side=row.side, at=since, id="", done=False)
            await tx.put_over(back, "at", "id", "done")
        await tx.commit()


async def work_out_day(reading: Unit, writing: Unit, agencies: Sequence[str], now: datetime) -> bool:
    """The figures of one day that are missing or old; False when none are. Read first, so that nobody waits to write."""
    for agency_id in agencies:
        async with reading() as tx:
            day = await lists_figures.due_day(tx, agency_id, now)
            figures = await lists_figures.work_out(tx, agency_id, day) if day is not None else None
        if day is not None and figures is not None:
            async with writing() as tx:
                await lists_figures.keep(tx, agency_id, day, figures, now)
                await tx.commit()
            return True
    return False


async def _reached(tx: Transaction, agency_id: str, side: Side) -> ListFillRow | None:
    this = (col(ListFillRow.agency_id) == agency_id, col(ListFillRow.side) == side.value)
    return await tx.first(ListFillRow, select(ListFillRow).where(*this))


async def _batch(
    writing: Unit, agency_id: str, side: Side, reached: ListFillRow | None, limit: int, due: DueNow
) -> None:
    async with writing() as tx:
        since = (reached.at, reached.id) if reached is not None else (_BEGIN, "")
        found = await _next(tx, agency_id, side, since, limit)
        writer = ListWriter(tx, agency_id, due, whole=True)
        for id, _ in found:
            writer.touch_out(id) if side is Side.OUT else writer.touch_in(id)
        await writer.write()
        at, id = (found[-1][1], found[-1][0]) if found else since
        row = ListFillRow(agency_id=agency_id, side=side.value, at=at, id=id, done=len(found) < limit)
        await tx.put_over(row, "at", "id", "done")
        await tx.commit()


async def _next(
    tx: Transaction, agency_id: str, side: Side, since: tuple[datetime, str], limit: int
) -> Sequence[Any]:
    table: Any = OutgoingRow if side is Side.OUT else IncomingRow
    at = col(OutgoingRow.created_at) if side is Side.OUT else col(IncomingRow.arrived_at)
    later = or_(at > since[0], and_(at == since[0], table.id > since[1]))
    query = select(table.id, at).where(table.agency_id == agency_id, at >= since[0], later)
    return await tx.tuples(query.order_by(at, table.id).limit(limit))
