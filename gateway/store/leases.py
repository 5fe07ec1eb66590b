"""Claiming rows, for the outbox, the inbox and jobs alike. In: the rows that are due. Out: rows leased to one worker
under a fencing token; the tokens that this process may still hold, so that it can release them when it stops.

A lease that ran out is claimable again, so a dead worker's rows come back (G7, survives kill -9); so is a time that
lies further ahead than any right clock writes (`domain.pace`). Leases are noted as they are taken and renewed, before
they are committed; those that ran out are forgotten, so the notes stay few."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Integer,
    Select,
    Update,
    and_,
    bindparam,
    false,
    func,
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
from gateway.store.row import Moment
from gateway.store.tables import InboxRow, JobRow, OutboxRow
from gateway.store.transaction import BoundQuery, Transaction

Claimable = TypeVar("Claimable", OutboxRow, InboxRow, JobRow)
Now = datetime | BindParameter[datetime]
AnyClaimable = type[OutboxRow] | type[InboxRow] | type[JobRow]
_NEVER = false()
# Ended rows are history, and counting them would cost more with every year.
_NO_END: Mapping[type, Sequence[str]] = {
    OutboxRow: ("waiting", "failed"),
    InboxRow: ("landed", "waiting", "held", "quarantined", "malformed", "sealed"),
}


@dataclass(frozen=True, slots=True)
class SharedRows(Generic[Claimable]):
    """Statements that claim the rows of one table that workers share. They are made once: making a statement takes
    longer than running it. `ordinary` finds the rows of the normal lane alone, where there are lanes."""

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
        """Make the statements. `asked_for`: rows whose time a person set; it is kept, however far ahead it is."""
        far_lease, far_retry = is_ahead(table, asked_for)
        now = bindparam("now", type_=Moment)
        due = or_(col(table.not_before).is_(None), col(table.not_before) <= now)
        unleased = or_(unheld(table, now), far_lease)
        free = (among, or_(due, far_retry), unleased)
        # SKIP LOCKED: workers on a server do not queue behind each other's rows. SQLite has one writer and ignores it.
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
    """Return the conditions that a lease, or a retry, is of a clock that was ahead; parameters `far_lease`, `far_retry`."""
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
    """Lease the first `limit` due rows, in the queue's order; they are ours once the transaction commits. The oldest
    `ordinary` ones of the normal lane are among them, where there are as many."""
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
    """Return the query to run before the write lock is taken: mostly no row is due, and a look must not hold up writers."""
    return queue.look, {**_times(Horizon.from_lease(now, lease_s, longest)), **among}


def _times(horizon: Horizon) -> dict[str, datetime]:
    return {"now": horizon.now, "far_lease": horizon.lease, "far_retry": horizon.retry}


def refuse_gap(gap: timedelta, lease_s: float) -> None:
    """Raise Misconfigured when leases would not hold."""
    if not clocks_agree(gap, lease_s):
        raise errors.Misconfigured(
            f"this machine's clock and the database server's are {abs(gap).total_seconds():.0f} s apart, more than a "
            f"third of workers.lease_s ({lease_s:.0f}): two machines would do the same work",
            hint="timedatectl set-ntp true, on this machine and on the database server",
        )


def unheld(table: AnyClaimable, now: Now) -> ColumnElement[bool]:
    """Return the condition of no lease, or one that ran out."""
    return or_(col(table.lease_token).is_(None), col(table.lease_until) <= now)


def fence(table: AnyClaimable) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Return the conditions of a row that this lease may still change; parameters `at_id`, `token`."""
    return col(table.id) == bindparam("at_id"), col(table.lease_token) == bindparam("token")


def exactly_one(changed: int, lease: Lease) -> None:
    exactly(changed, 1, f"the lease {lease.token} on {lease.id} (it ran until {lease.ends_at:%H:%M:%S} UTC)")


def only(lease: Lease) -> Callable[[int], None]:
    """Return a check of exactly one changed row, for callers that learn the number later."""
    return lambda changed: exactly_one(changed, lease)


def all_of(leases: Sequence[Lease]) -> Callable[[int], None]:
    """Return a check for several leases."""
    return lambda changed: exactly(changed, len(leases), f"a lease on {', '.join(x.id for x in leases)}")


def exactly(changed: int, expected: int, subject: str) -> None:
    """Check the number of rows; else the work is discarded: another worker claimed a row, or it is finished."""
    if changed != expected:
        raise errors.StaleLease(
            f"{subject} is no longer ours; another worker has the row, or it is finished: discard this result"
        )


async def renew(
    tx: Transaction, table: AnyClaimable, open_rows: ColumnElement[bool], lease: Lease, ends_at: datetime
) -> Lease:
    """Extend the lease until then."""
    mine = update(table).where(*fence(table), open_rows)
    exactly_one(await tx.change(mine, at_id=lease.id, token=lease.token, lease_until=ends_at), lease)
    return replace(lease, ends_at=ends_at)


async def release_rows(
    tx: Transaction, table: AnyClaimable, open_rows: ColumnElement[bool], tokens: Sequence[str]
) -> None:
    """Release rows for other workers. The tries stay counted: a packet may have left before its worker was cancelled."""
    mine = and_(open_rows, col(table.lease_token).in_(tokens))
    await tx.change(update(table).where(mine).values(lease_token=None, lease_until=None))


def released(not_before: datetime | None, error: str | None) -> dict[str, Any]:
    """Return the columns of a row that waits again, without a lease."""
    return {"lease_token": None, "lease_until": None, "not_before": not_before, "last_error": error}


def has_no_end(table: type[OutboxRow] | type[InboxRow]) -> ColumnElement[bool]:
    return col(table.state).in_(_NO_END[table])


async def count_by_state(tx: Transaction, table: type[OutboxRow] | type[InboxRow]) -> dict[str, int]:
    """Count rows that have not ended, and those that need a person, by state."""
    among = has_no_end(table)
    rows = await tx.tuples(select(col(table.state), func.count()).where(among).group_by(col(table.state)))
    return {f"{table.__tablename__}.{state}": number for state, number in rows}


class HeldRows:
    """Tokens of leases that this process may hold. A batch shares one token. A row that was finished meanwhile has no
    token any more, and releasing does not touch it."""

    def __init__(self) -> None:
        self._ends_by_token: dict[str, datetime] = {}

    def add(self, leases: Iterable[Lease], now: datetime) -> None:
        self._ends_by_token = {
            token: ends_at for token, ends_at in self._ends_by_token.items() if ends_at > now
        }
        self._ends_by_token |= {lease.token: lease.ends_at for lease in leases}

    def tokens(self) -> list[str]:
        return list(self._ends_by_token)
