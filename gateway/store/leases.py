"""Claiming rows, for the outbox, the inbox and jobs alike. In: which rows are due. Out: rows leased to one worker
under a fencing token. A lease that ran out is claimable again, so a dead worker's rows come back (G7)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, and_, func, or_, select, tuple_, update
from sqlalchemy.orm import Mapped
from sqlmodel import col

from gateway import errors
from gateway.ports.rows import Lease
from gateway.ports.services import Clock
from gateway.store.tables import InboxRow, JobRow, OutboxRow
from gateway.store.transaction import Transaction

Claimable = TypeVar("Claimable", OutboxRow, InboxRow, JobRow)
AnyClaimable = type[OutboxRow] | type[InboxRow] | type[JobRow]


async def claim(
    tx: Transaction,
    table: type[Claimable],
    clock: Clock,
    lease_s: float,
    *,
    among: ColumnElement[bool],
    order: Sequence[ColumnElement[Any] | Mapped[Any]],
    limit: int,
) -> list[tuple[Claimable, Lease]]:
    """Leases the first `limit` due rows, in that order; they are ours once the transaction commits."""
    now = clock.now()
    query = select(table).where(among, due(table, now), unheld(table, now)).order_by(*order).limit(limit)
    # SKIP LOCKED: workers on a server do not queue behind each other's rows. SQLite has one writer and ignores it.
    rows = await tx.rows(table, query.with_for_update(skip_locked=True))
    if not rows:
        return []
    token, until = clock.new_id(), now + timedelta(seconds=lease_s)
    keys = [(row.agency_id, row.id) for row in rows]
    await tx.change(
        update(table)
        .where(tuple_(col(table.agency_id), col(table.id)).in_(keys), unheld(table, now))
        .values(lease_token=token, lease_until=until, attempts=col(table.attempts) + 1)
    )
    return [(row, Lease(id=row.id, token=token, until=until, attempt=row.attempts + 1)) for row in rows]


async def any_due(tx: Transaction, table: AnyClaimable, now: datetime, among: ColumnElement[bool]) -> bool:
    """Asked before the write lock is taken: mostly there is nothing, and a worker that looks must hold nobody up."""
    query = select(col(table.id)).where(among, due(table, now), unheld(table, now)).limit(1)
    return bool(await tx.tuples(query))


def due(table: AnyClaimable, now: datetime) -> ColumnElement[bool]:
    """Not put off to a later time."""
    return or_(col(table.not_before).is_(None), col(table.not_before) <= now)


def unheld(table: AnyClaimable, now: datetime) -> ColumnElement[bool]:
    """No lease, or one that ran out."""
    return or_(col(table.lease_token).is_(None), col(table.lease_until) <= now)


def held_by(table: AnyClaimable, lease: Lease) -> ColumnElement[bool]:
    """The fence: a row whose token is another's, or nobody's, is not changed by this lease any more."""
    return and_(col(table.id) == lease.id, col(table.lease_token) == lease.token)


def exactly_one(changed: int, lease: Lease) -> None:
    """One row, or the work is discarded: another worker claimed it, or it is finished."""
    if changed != 1:
        raise errors.StaleLease(
            f"the lease {lease.token} on {lease.id} is no longer ours (it ran until {lease.until:%H:%M:%S} UTC); "
            "another worker has the row, or it is finished: discard this result"
        )


async def renew(
    tx: Transaction, table: AnyClaimable, open_rows: ColumnElement[bool], lease: Lease, until: datetime
) -> Lease:
    """The same lease until later."""
    changed = await tx.change(update(table).where(held_by(table, lease), open_rows).values(lease_until=until))
    exactly_one(changed, lease)
    return Lease(id=lease.id, token=lease.token, until=until, attempt=lease.attempt)


async def let_go(
    tx: Transaction, table: AnyClaimable, open_rows: ColumnElement[bool], tokens: Sequence[str]
) -> None:
    """Free for others. The tries stay counted: a packet may have left before its courier was cut short."""
    mine = and_(open_rows, col(table.lease_token).in_(tokens))
    await tx.change(update(table).where(mine).values(lease_token=None, lease_until=None))


def released(not_before: datetime | None, error: str | None) -> dict[str, Any]:
    """The columns of a row that waits again, held by nobody."""
    return {"lease_token": None, "lease_until": None, "not_before": not_before, "last_error": error}


async def count_by_state(tx: Transaction, table: type[OutboxRow] | type[InboxRow]) -> dict[str, int]:
    found = await tx.tuples(select(col(table.state), func.count()).group_by(col(table.state)))
    return {f"{table.__tablename__}.{state}": number for state, number in found}
