"""Leases on rows of the outbox, the inbox and jobs. In: a queue's table and the conditions of due rows. Out: rows leased to
one worker under a fencing token; the tokens that this process may still hold, so that it can release them when it stops.

A row whose lease ran out can be claimed again, so that a dead worker's rows come back (G7, survives kill -9). So can a row
with a lease or retry time further ahead than a right clock would write (`domain.pace`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Delete,
    Integer,
    Select,
    Update,
    and_,
    bindparam,
    false,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped
from sqlmodel import col

from gateway import errors
from gateway.domain.document import Lane
from gateway.domain.pace import LONGEST_DELAY, Horizon, clocks_agree
from gateway.domain.queues import Lease
from gateway.ports.services import Clock
from gateway.store.repository import count_by
from gateway.store.row import Moment
from gateway.store.tables import InboxRow, JobRow, OutboxRow
from gateway.store.transaction import BoundQuery, Transaction

Claimable = TypeVar("Claimable", OutboxRow, InboxRow, JobRow)
Now = datetime | BindParameter[datetime]
AnyClaimable = type[OutboxRow] | type[InboxRow] | type[JobRow]
_NEVER = false()
# States that are counted. Rows in other states are history, and counting them would cost more with every year.
_NO_END: Mapping[type, Sequence[str]] = {
    OutboxRow: ("waiting", "failed"),
    InboxRow: ("landed", "waiting", "held", "quarantined", "malformed", "sealed"),
}


@dataclass(frozen=True, slots=True)
class SharedRows(Generic[Claimable]):
    """Statements that claim rows of one table. They are built once, because building a statement takes longer than running
    it. `look` finds one due row, `find` the due rows to claim, `ordinary` those of the normal lane alone where there are
    lanes, and `take` leases a row."""

    table: type[Claimable]
    look: Select[Any]
    find: Select[Any]
    ordinary: Select[Any] | None
    take: Update

    @classmethod
    def of_table(
        cls,
        table: type[Claimable],
        among: ColumnElement[bool],
        order: Sequence[ColumnElement[Any] | Mapped[Any]],
        *,
        lane: Mapped[str] | None = None,
        asked_for: ColumnElement[bool] = _NEVER,
    ) -> SharedRows[Claimable]:
        """Build the statements for the rows that meet `among`. `asked_for` is the condition of rows whose time a person
        set, which is kept however far ahead it is."""
        far_lease, far_retry = is_ahead(table, asked_for)
        now = bindparam("now", type_=Moment)
        due = or_(col(table.not_before).is_(None), col(table.not_before) <= now)
        unleased = or_(unheld(table, now), far_lease)
        free = (among, or_(due, far_retry), unleased)
        # SKIP LOCKED, so that workers on a server do not wait for each other's rows; SQLite has one writer and ignores it.
        first = select(table).where(*free).limit(bindparam("most", type_=Integer))
        first = first.with_for_update(skip_locked=True)
        is_urgent = () if lane is None else (lane.desc(),)
        return cls(
            table=table,
            look=select(col(table.id)).where(*free).limit(1),
            find=first.order_by(*is_urgent, *order),
            ordinary=None if lane is None else first.where(lane == Lane.NORMAL.value).order_by(*order),
            take=update(table)
            .where(col(table.agency_id) == bindparam("agency"), col(table.id) == bindparam("at_id"), unleased)
            .values(attempts=col(table.attempts) + 1),
        )


def is_ahead(
    table: AnyClaimable, asked_for: ColumnElement[bool]
) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Return the SQL conditions that a lease, or a retry time, was written while the clock was ahead; they have the
    parameters `far_lease` and `far_retry`."""
    far_lease, far_retry = bindparam("far_lease", type_=Moment), bindparam("far_retry", type_=Moment)
    lease = and_(col(table.lease_token).is_not(None), col(table.lease_until) > far_lease)
    return lease, and_(col(table.not_before) > far_retry, not_(asked_for))


async def claim(
    tx: Transaction,
    queue: SharedRows[Claimable],
    clock: Clock,
    limit: int,
    lease_s: float,
    *,
    ordinary: int = 0,
    longest: timedelta = LONGEST_DELAY,
    **among: str,
) -> list[tuple[Claimable, Lease]]:
    """Lease the first `limit` due rows in the queue's order, the oldest `ordinary` rows of the normal lane among them where
    there are as many; return each with its lease. The leases are valid once the transaction is committed."""
    horizon = Horizon.from_lease(clock.now(), lease_s, longest)
    rows = await _find_due(tx, queue, limit, ordinary, _times(horizon) | among)
    if not rows:
        return []
    token, ends_at = clock.new_id(), horizon.now + timedelta(seconds=lease_s)
    lease = {"now": horizon.now, "far_lease": horizon.lease, "lease_token": token, "lease_until": ends_at}
    await tx.change_many(queue.take, [{"agency": row.agency_id, "at_id": row.id, **lease} for row in rows])
    return [(row, Lease(id=row.id, token=token, ends_at=ends_at, attempt=row.attempts + 1)) for row in rows]


async def _find_due(
    tx: Transaction, queue: SharedRows[Claimable], limit: int, ordinary: int, parameters: Mapping[str, Any]
) -> list[Claimable]:
    """Return the due rows to claim, of which at least `ordinary` are of the normal lane, where there are as many."""
    rows = list(await tx.rows(queue.table, queue.find, most=limit, **parameters))
    if queue.ordinary is None or len(rows) < limit:
        return rows
    urgent: list[Claimable] = [row for row in rows if not isinstance(row, JobRow) and row.lane == Lane.URGENT]
    if limit - len(urgent) >= ordinary:
        return rows
    normal: list[Claimable] = list(await tx.rows(queue.table, queue.ordinary, most=ordinary, **parameters))
    return urgent[: limit - len(normal)] + normal


def any_due(
    queue: SharedRows[Claimable],
    now: datetime,
    lease_s: float,
    longest: timedelta = LONGEST_DELAY,
    **among: str,
) -> BoundQuery:
    """Return the query whether any row is due. It runs before a claim, which would hold up other writers."""
    return queue.look, {**_times(Horizon.from_lease(now, lease_s, longest)), **among}


def hastening(table: type[OutboxRow] | type[JobRow], among: ColumnElement[bool]) -> Update:
    """Build the statement that makes rows due which wait for another attempt: up to `most`, the oldest first."""
    now = bindparam("now", type_=Moment)
    waits = (col(table.not_before) > now, col(table.attempts) > 0, unheld(table, now))
    oldest = (col(table.created_at), col(table.id))
    ids = select(col(table.id)).where(among, *waits).order_by(*oldest).limit(bindparam("most", type_=Integer))
    return update(table).where(col(table.id).in_(ids), unheld(table, now)).values(not_before=None)


def _times(horizon: Horizon) -> dict[str, datetime]:
    return {"now": horizon.now, "far_lease": horizon.lease, "far_retry": horizon.retry}


def refuse_gap(gap: timedelta, lease_s: float) -> None:
    """Check that the clocks of this machine and of the server agree so far that leases work; Misconfigured otherwise."""
    if not clocks_agree(gap, lease_s):
        raise errors.Misconfigured(
            f"this machine's clock and the database server's are {abs(gap).total_seconds():.0f} s apart, more than a "
            f"third of workers.lease_s ({lease_s:.0f}): two machines would do the same work",
            hint="timedatectl set-ntp true, on this machine and on the database server",
        )


def unheld(table: AnyClaimable, now: Now) -> ColumnElement[bool]:
    """Return the SQL condition that a row has no lease, or one that ran out."""
    return or_(col(table.lease_token).is_(None), col(table.lease_until) <= now)


def fence(table: AnyClaimable) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Return the SQL conditions that a row still has a lease, given by the parameters `at_id` and `token`."""
    return col(table.id) == bindparam("at_id"), col(table.lease_token) == bindparam("token")


def exactly_one(changed: int, lease: Lease) -> None:
    exactly(changed, 1, f"the lease {lease.token} on {lease.id} (it ran until {lease.ends_at:%H:%M:%S} UTC)")


def only(lease: Lease) -> Callable[[int], None]:
    """Return the check that exactly one row was changed under the lease, for writes that run later."""
    return lambda changed: exactly_one(changed, lease)


async def change(
    tx: Transaction, statement: Update | Delete, agency_id: str, lease: Lease, columns: Mapping[str, Any]
) -> None:
    """Set columns of the row under the lease, or delete it, by a statement with the conditions of `fence`. StaleLease, at
    the latest when the transaction ends, when the lease is no longer ours."""
    lease_key = {"agency": agency_id, "at_id": lease.id, "token": lease.token}
    await tx.change_required(statement, only(lease), **lease_key, **columns)


def all_of(leases: Sequence[Lease]) -> Callable[[int], None]:
    """Return the check that one row was changed under each of several leases."""
    return lambda changed: exactly(changed, len(leases), f"a lease on {', '.join(x.id for x in leases)}")


def exactly(changed: int, expected: int, subject: str) -> None:
    """Check the number of changed rows. StaleLease when it is another: a row is finished, or another worker claimed it, so
    the caller must discard its result."""
    if changed != expected:
        raise errors.StaleLease(
            f"{subject} is no longer ours; another worker has the row, or it is finished: discard this result"
        )


async def renew(
    tx: Transaction, table: AnyClaimable, open_rows: ColumnElement[bool], lease: Lease, ends_at: datetime
) -> Lease:
    """Extend a lease until `ends_at` and return the new one. StaleLease when it is no longer ours."""
    mine = update(table).where(*fence(table), open_rows)
    exactly_one(await tx.change(mine, at_id=lease.id, token=lease.token, lease_until=ends_at), lease)
    return replace(lease, ends_at=ends_at)


async def release_rows(
    tx: Transaction, table: AnyClaimable, open_rows: ColumnElement[bool], tokens: Sequence[str]
) -> None:
    """End the leases with these tokens, so that other workers can claim the rows. The attempts stay counted, because a
    packet may have left before its worker was cancelled."""
    mine = and_(open_rows, col(table.lease_token).in_(tokens))
    await tx.change(update(table).where(mine).values(lease_token=None, lease_until=None))


def released(not_before: datetime | None, error: str | None) -> dict[str, Any]:
    """Return the columns that end a lease; the row waits until `not_before`."""
    return {"lease_token": None, "lease_until": None, "not_before": not_before, "last_error": error}


def has_no_end(table: type[OutboxRow] | type[InboxRow]) -> ColumnElement[bool]:
    return col(table.state).in_(_NO_END[table])


async def count_by_state(tx: Transaction, table: type[OutboxRow] | type[InboxRow]) -> dict[str, int]:
    """Count the rows that wait for a worker or a person by table and state, such as `inbox.held`."""
    counts = await count_by(tx, table.state, has_no_end(table))
    return {f"{table.__tablename__}.{state}": number for state, number in counts.items()}


class HeldRows:
    """Tokens of leases that this process may hold; rows that are claimed together share one. Leases that ran out are
    forgotten. Rows that were finished meanwhile have lost their token, so releasing the token does not touch them."""

    def __init__(self) -> None:
        self._ends_by_token: dict[str, datetime] = {}

    def add(self, leases: Iterable[Lease], now: datetime) -> None:
        self._ends_by_token = {
            token: ends_at for token, ends_at in self._ends_by_token.items() if ends_at > now
        }
        self._ends_by_token |= {lease.token: lease.ends_at for lease in leases}

    def tokens(self) -> list[str]:
        return list(self._ends_by_token)
