"""What lies in the node's database now, as numbers for those who look after it: piles of work with their oldest,
leases, deliveries by state. In: the store and the time. Out: one `Load`, from one consistent view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, func, select, update
from sqlmodel import col

from gateway.store import inbox, jobs, leases, outbox
from gateway.store.account_tables import HostedAgencyRow
from gateway.store.columns import Moment
from gateway.store.store import SqlStore
from gateway.store.tables import DeliveryRow, EventRow, InboxRow, JobRow, OutboxRow
from gateway.store.transaction import Transaction

# Deliveries that wait for the axis, the other node or its clerk's answer to a request: the rest is history.
UNDER_WAY = ("queued", "sending", "sent", "failed", "recall_asked", "take_back_asked", "update_asked")
# A recipient that said nothing for so long is late: 01 takes seconds where both nodes are well.
SILENCE = timedelta(minutes=30)
_STATE, _AT = col(DeliveryRow.state), col(DeliveryRow.updated_at)
DELIVERIES = select(_STATE, func.count()).where(_STATE.in_(UNDER_WAY)).group_by(_STATE)
_BEFORE = bindparam("before", type_=Moment)
SILENT = select(func.count(), func.min(_AT)).where(_STATE == "sent", _AT < _BEFORE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pile:
    """Rows of one sort, and the time of the oldest."""

    count: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Everything that waits. `outbox` by lane, `inbox` by state, `jobs` by kind, `leases` by table; `deliveries` by
    state while they are under way; `late` are those handed to the axis of which nothing was heard since."""

    outbox: Mapping[str, Pile]
    outbox_failed: int
    inbox: Mapping[str, Pile]
    jobs: Mapping[str, Pile]
    unnumbered: int
    deliveries: Mapping[str, int]
    late: Pile
    leases: Mapping[str, int]


async def load(store: SqlStore, now: datetime) -> Load:
    """The load at this moment."""
    async with store.reading() as tx:
        return Load(
            outbox=await _piles(tx, col(OutboxRow.lane), col(OutboxRow.created_at), outbox.is_open()),
            outbox_failed=await _count(tx, col(OutboxRow.id), col(OutboxRow.state) == outbox.FAILED),
            inbox=await _piles(
                tx, col(InboxRow.state), col(InboxRow.received_at), leases.has_no_end(InboxRow)
            ),
            jobs=await _piles(tx, col(JobRow.kind), col(JobRow.created_at), jobs.is_open()),
            unnumbered=await _count(tx, col(EventRow.position), col(EventRow.node_seq).is_(None)),
            deliveries=await _by_state(tx),
            late=await _late(tx, now),
            leases={
                str(table.__tablename__): await _held(tx, table, is_open, now)
                for table, is_open in _leasable()
            },
        )


async def answers(store: SqlStore) -> None:
    """StoreFailure when the database does not answer a question now."""
    async with store.reading() as tx:
        await tx.tuples(select(col(HostedAgencyRow.id)).limit(1))


async def writable(store: SqlStore) -> None:
    """StoreFailure when the database takes no change, such as a disk that was mounted read-only or a server that
    became a standby. Changes nothing: no agency has an empty id."""
    async with store.writing() as tx:
        nobody = update(HostedAgencyRow).where(col(HostedAgencyRow.id) == "").values(body="")
        await tx.change(nobody)


def _leasable() -> Sequence[tuple[leases.AnyClaimable, ColumnElement[bool]]]:
    return ((JobRow, jobs.is_open()), (OutboxRow, outbox.is_open()), (InboxRow, inbox.is_open()))


async def _piles(tx: Transaction, by: Any, at: Any, among: ColumnElement[bool]) -> dict[str, Pile]:
    # Any: what sqlmodel's columns are typed as differs between its releases
    found = await tx.tuples(select(by, func.count(), func.min(at)).where(among).group_by(by))
    return {str(name): Pile(count=number, oldest=oldest) for name, number, oldest in found}


async def _count(tx: Transaction, id: Any, among: ColumnElement[bool]) -> int:
    return int((await tx.tuples(select(func.count(id)).where(among)))[0][0])


async def _by_state(tx: Transaction) -> dict[str, int]:
    return {str(name): int(number) for name, number in await tx.tuples(DELIVERIES)}


async def _late(tx: Transaction, now: datetime) -> Pile:
    ((number, oldest),) = await tx.tuples(SILENT, before=now - SILENCE)
    return Pile(count=number, oldest=oldest)


async def _held(
    tx: Transaction, table: leases.AnyClaimable, is_open: ColumnElement[bool], now: datetime
) -> int:
    held = and_(is_open, col(table.lease_token).is_not(None), col(table.lease_until) > now)
    return await _count(tx, col(table.id), held)
