"""Claiming rows, for the outbox, the inbox and jobs alike. In: which rows are due. Out: rows leased to one worker
under a fencing token; the tokens of what this process took and may still hold, so that it can give them back when
it goes.

A lease that ran out is claimable again, so a dead worker's rows come back (G7); so is a time that lies further
ahead than any right clock writes (`domain.pace`). Leases are noted as they are taken and renewed, before they are
committed; those that ran out are forgotten, so the notes stay few."""

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
from gateway.store.transaction import Asked, Transaction

Claimable = TypeVar("Claimable", OutboxRow, InboxRow, JobRow)
Now = datetime | BindParameter[datetime]
AnyClaimable = type[OutboxRow] | type[InboxRow] | type[JobRow]
_NEVER = false()
# The rest is history, and counting it would cost more with every year.
_NO_END: Mapping[type, Sequence[str]] = {
    OutboxRow: ("waiting", "failed"),
    InboxRow: ("landed", "waiting", "held", "quarantined", "malformed", "sealed"),
}


@dataclass(frozen=True, slots=True)
class SharedRows(Generic[Claimable]):
    """The rows of one table that workers share, and the statements that claim them. These are made once: making a
    statement takes longer than running it. `ordinary` finds the rows of that lane alone, where there are lanes."""

    table: type[Claimable]
    look: Select[Any]
    find: Select[Any]
    ordinary: Select[Any] | None
    take: Update

    @classmethod
    def of(
        cls,
        table: type[Claimable],
        among: ColumnElement[bool],
        order: Sequence[ColumnElement[Any] | Mapped[Any]],
        *,
        lane: Mapped[str] | None = None,
        asked_for: ColumnElement[bool] = _NEVER,
    ) -> SharedRows[Claimable]:
        """`asked_for`: rows whose time a person set; it is kept, however far ahead it is."""
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
    """Whether a lease, or a retry, was written by a clock that was ahead; parameters `far_lease` and `far_retry`."""
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
    """Leases the first `limit` due rows, in the queue's order; they are ours once the transaction commits. So many of
    them are the oldest `ordinary` ones, where there are as many."""
    horizon = Horizon.from_lease(clock.now(), lease_s, longest)
    rows = await _found(tx, queue, limit, ordinary, _times(horizon) | among)
    if not rows:
        return []
    token, until = clock.new_id(), horizon.now + timedelta(seconds=lease_s)
    lease = {"now": horizon.now, "far_lease": horizon.lease, "lease_token": token, "lease_until": until}
    await tx.change_many(queue.take, [{"agency": row.agency_id, "at_id": row.id, **lease} for row in rows])
    return [(row, Lease(id=row.id, token=token, ends_at=until, attempt=row.attempts + 1)) for row in rows]


async def _found(
    tx: Transaction, queue: SharedRows[Claimable], limit: int, ordinary: int, asked: Mapping[str, Any]
) -> list[Claimable]:
    rows = list(await tx.rows(queue.table, queue.find, most=limit, **asked))
    if queue.ordinary is None or len(rows) < limit:
        return rows
    urgent: list[Claimable] = [row for row in rows if not isinstance(row, JobRow) and row.lane == Lane.URGENT]
    if limit - len(urgent) >= ordinary:
        return rows
    theirs: list[Claimable] = list(await tx.rows(queue.table, queue.ordinary, most=ordinary, **asked))
    return urgent[: limit - len(theirs)] + theirs


def any_due(
    queue: SharedRows[Claimable],
    now: datetime,
    lease_s: float,
    longest: timedelta = LONGEST_DELAY,
    **among: str,
) -> Asked:
    """Asked before the write lock is taken: mostly there is nothing, and a worker that looks must hold nobody up."""
    return queue.look, {**_times(Horizon.from_lease(now, lease_s, longest)), **among}


def _times(horizon: Horizon) -> dict[str, datetime]:
    return {"now": horizon.now, "far_lease": horizon.lease, "far_retry": horizon.retry}


def refuse_gap(gap: timedelta, lease_s: float) -> None:
    """Misconfigured when leases would not hold."""
    if not clocks_agree(gap, lease_s):
        raise errors.Misconfigured(
            f"this machine's clock and the database server's are {abs(gap).total_seconds():.0f} s apart, more than a "
            f"third of workers.lease_s ({lease_s:.0f}): two machines would do the same work",
            hint="timedatectl set-ntp true, on this machine and on the database server",
        )


def unheld(table: AnyClaimable, now: Now) -> ColumnElement[bool]:
    """No lease, or one that ran out."""
    return or_(col(table.lease_token).is_(None), col(table.lease_until) <= now)


def fence(table: AnyClaimable) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """A row whose token is another's, or nobody's, is not changed by this lease any more; parameters `at_id`, `token`."""
    return col(table.id) == bindparam("at_id"), col(table.lease_token) == bindparam("token")


def exactly_one(changed: int, lease: Lease) -> None:
    exactly(changed, 1, f"the lease {lease.token} on {lease.id} (it ran until {lease.ends_at:%H:%M:%S} UTC)")


def only(lease: Lease) -> Callable[[int], None]:
    """The same, for who hears the number later."""
    return lambda changed: exactly_one(changed, lease)


def all_of(these: Sequence[Lease]) -> Callable[[int], None]:
    """The same of several."""
    return lambda changed: exactly(changed, len(these), f"a lease on {', '.join(each.id for each in these)}")


def exactly(changed: int, wanted: int, what: str) -> None:
    """So many rows, or the work is discarded: another worker claimed one, or it is finished."""
    if changed != wanted:
        raise errors.StaleLease(
            f"{what} is no longer ours; another worker has the row, or it is finished: discard this result"
        )


async def renew(
    tx: Transaction, table: AnyClaimable, open_rows: ColumnElement[bool], lease: Lease, until: datetime
) -> Lease:
    """The same lease until later."""
    mine = update(table).where(*fence(table), open_rows)
    exactly_one(await tx.change(mine, at_id=lease.id, token=lease.token, lease_until=until), lease)
    return replace(lease, ends_at=until)


async def let_go(
    tx: Transaction, table: AnyClaimable, open_rows: ColumnElement[bool], tokens: Sequence[str]
) -> None:
    """Free for others. The tries stay counted: a packet may have left before its courier was cut short."""
    mine = and_(open_rows, col(table.lease_token).in_(tokens))
    await tx.change(update(table).where(mine).values(lease_token=None, lease_until=None))


def released(not_before: datetime | None, error: str | None) -> dict[str, Any]:
    """The columns of a row that waits again, held by nobody."""
    return {"lease_token": None, "lease_until": None, "not_before": not_before, "last_error": error}


def has_no_end(table: type[OutboxRow] | type[InboxRow]) -> ColumnElement[bool]:
    return col(table.state).in_(_NO_END[table])


async def count_by_state(tx: Transaction, table: type[OutboxRow] | type[InboxRow]) -> dict[str, int]:
    """Rows without an end, and those that need a person."""
    among = has_no_end(table)
    found = await tx.tuples(select(col(table.state), func.count()).where(among).group_by(col(table.state)))
    return {f"{table.__tablename__}.{state}": number for state, number in found}


class HeldRows:
    """A batch shares one token. What was finished meanwhile has no token any more, and is not touched by giving back."""

    def __init__(self) -> None:
        self._until: dict[str, datetime] = {}

    def took(self, leases: Iterable[Lease], now: datetime) -> None:
        self._until = {token: until for token, until in self._until.items() if until > now}
        self._until |= {lease.token: lease.ends_at for lease in leases}

    def tokens(self) -> list[str]:
        return list(self._until)
