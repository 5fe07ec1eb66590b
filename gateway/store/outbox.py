"""Envelopes that wait for a courier. In: an item with its recipients. Out: the same item under a lease, until every
recipient is settled. At least once: a lease that ran out is claimed again, and the same bytes are sent again.

A process that has a courier leases to it what it writes itself, and hands it over in memory: a claim would be a transaction
of its own, for what is known already. The lease alone decides whose a row is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, select, update
from sqlmodel import col

from gateway import errors
from gateway.domain.document import Lane
from gateway.domain.queues import Lease, LeasedOutbox, OutboxItem, OutboxTarget, Stopped
from gateway.ports.services import Clock
from gateway.store import leases
from gateway.store.leases import HeldRows
from gateway.store.repository import AgencyRows, Page
from gateway.store.row import to_json, value_of
from gateway.store.tables import OutboxRow
from gateway.store.transaction import Asked, Transaction

WAITING, SENT, FAILED, CANCELLED = "waiting", "sent", "failed", "cancelled"
_R = OutboxRow


def any_due(now: datetime, lease_s: float) -> Asked:
    return leases.any_due(_QUEUE, now, lease_s)


async def claim(
    tx: Transaction, clock: Clock, limit: int, lease_s: float, ordinary: int
) -> list[LeasedOutbox]:
    """Due rows of every agency, urgent lane first (R46), then the oldest; so many `ordinary` ones in any case."""
    found = await leases.claim(tx, _QUEUE, clock, limit, lease_s, ordinary=ordinary)
    return [LeasedOutbox(item=to_domain(row, lease.attempt), lease=lease) for row, lease in found]


async def signed_under(tx: Transaction, fingerprint: str, since: datetime, limit: int) -> list[OutboxItem]:
    """Of every agency, oldest first."""
    these = (col(_R.signed_by) == fingerprint, col(_R.created_at) >= since)
    query = select(_R).where(*these).order_by(col(_R.created_at), col(_R.id)).limit(limit)
    return [to_domain(row) for row in await tx.rows(_R, query)]


def is_open() -> ColumnElement[bool]:
    return col(_R.state) == WAITING


_QUEUE = leases.SharedRows.of(_R, is_open(), (col(_R.created_at), col(_R.id)), lane=col(_R.lane))
_MINE = select(_R).where(col(_R.agency_id) == bindparam("agency"))
_BY_ID = _MINE.where(col(_R.id) == bindparam("id"))
_OF_SUBJECT = _MINE.where(col(_R.subject_id) == bindparam("subject")).order_by(col(_R.created_at), col(_R.id))
# WHERE id AND lease_token AND not done (G7): a courier that wakes late changes nothing.
_HELD = update(_R).where(col(_R.agency_id) == bindparam("agency"), *leases.fence(_R), is_open())


_ONE_TOKEN = timedelta(seconds=1)


def _never_left(target: OutboxTarget, attempts: int) -> bool:
    """A try that wrote no word may have reached the axis before its courier died."""
    doubted = target.trail is not None and target.trail.unsure
    return target.tried == attempts and not doubted


def _nobody() -> None:
    """Rings nobody."""


class OwnRows:
    """Rows that this process wrote for its own couriers: small ones, and large ones, which no small one waits for. Closed
    where it has none: what is written then waits for a claim, and so does whatever is lost here, until its lease is
    over."""

    def __init__(self, clock: Clock, held: HeldRows) -> None:
        self._clock, self._held = clock, held
        self._rings = (_nobody, _nobody)
        self._most, self._lease_s = 0, timedelta()
        self._waiting: tuple[list[LeasedOutbox], list[LeasedOutbox]] = ([], [])
        self._shared: Lease | None = None

    def open(
        self,
        ring: Callable[[], None],
        most: int,
        lease_s: float,
        ring_large: Callable[[], None] | None = None,
    ) -> None:
        """There are couriers from now on, who are rung when something was given; `most`: so many rows of each may wait
        here."""
        self._rings = (ring, ring_large or ring)
        self._most, self._lease_s = most, timedelta(seconds=lease_s)

    def close(self) -> None:
        self._most, self._rings = 0, (_nobody, _nobody)

    def lease(self, id: str, *, large: bool = False) -> Lease | None:
        """For a row that is about to be written. None where it is to be claimed: nobody here would take it, or too many
        wait."""
        if len(self._waiting[large]) >= self._most:
            return None
        now, shared = self._clock.now(), self._shared
        # Rows of a moment share a token, as those that are claimed together do.
        if shared is None or not timedelta() <= now + self._lease_s - shared.ends_at <= _ONE_TOKEN:
            shared = Lease(id=id, token=self._clock.new_id(), ends_at=now + self._lease_s, attempt=1)
            self._shared = shared
            self._held.took((shared,), now)
        return replace(shared, id=id)

    def give(self, row: LeasedOutbox) -> None:
        """That row is committed."""
        large = row.body is None
        self._waiting[large].append(row)
        self._rings[large]()

    def take(self, most: int, *, large: bool = False) -> list[LeasedOutbox]:
        """The first, urgent ones before others. Those whose lease is half over are left to whoever claims them then."""
        now, waiting = self._clock.now(), self._waiting[large]
        good = [row for row in waiting if now < row.lease.ends_at - self._lease_s / 2]
        good.sort(key=lambda row: row.item.lane is not Lane.URGENT)
        waiting[:] = good[most:]
        return good[:most]


class SqlOutbox(AgencyRows):
    """The envelopes of one agency that wait to be sent: what was put is dispatched at least once, as a claim expires."""

    async def put(self, item: OutboxItem, lease: Lease | None = None) -> None:
        """Under that lease from the start, where there is one. Clash when that id is stored already."""
        self._check_own(item.agency_id, f"the outbox item {item.id}")
        row = from_domain(item)
        if lease is not None:
            row.change(attempts=lease.attempt, lease_token=lease.token, lease_until=lease.ends_at)
        stored = partial(errors.Clash, f"the outbox item {item.id} is already stored")
        await self._tx.put_surely(row, stored)

    async def get(self, id: str) -> OutboxItem:
        return to_domain(await self._one(_R, _BY_ID, f"this agency has no outbox item {id}", id=id))

    async def of_subject(self, subject_id: str) -> Sequence[OutboxItem]:
        """Oldest first."""
        return [to_domain(row) for row in await self._rows(_R, _OF_SUBJECT, subject=subject_id)]

    async def sent(self, these: Sequence[Lease], at: datetime) -> None:
        """All targets of each are settled. StaleLease, at the latest when the unit ends, when one of the leases is no
        longer ours."""
        sent = leases.released(None, None) | {"agency": self._agency_id, "state": SENT, "settled_at": at}
        rows = [{"at_id": lease.id, "token": lease.token, **sent} for lease in these]
        await self._tx.change_each_surely(_HELD, leases.all_of(these), rows)

    async def failed(self, lease: Lease, at: datetime, error: str) -> None:
        await self._change(lease, leases.released(None, error) | {"state": FAILED, "settled_at": at})

    async def retry(
        self, lease: Lease, not_before: datetime, targets: Sequence[OutboxTarget], error: str
    ) -> None:
        """Waits again with the recipients that remain. StaleLease as above."""
        await self._change(
            lease,
            leases.released(not_before, error)
            | {"targets": to_json(tuple[OutboxTarget, ...], tuple(targets))},
        )

    async def signed_again(self, lease: Lease, item: OutboxItem) -> None:
        """The row has this envelope from now on, with what signed it. StaleLease as above."""
        envelope = ("envelope_digest", "envelope_size", "signed_by")
        await self._change(lease, {name: getattr(item, name) for name in envelope})

    async def stop(self, id: str, now: datetime) -> Stopped | None:
        """It is not tried again. None while a courier has it, and when it has ended."""
        this = and_(col(_R.agency_id) == self._agency_id, col(_R.id) == id)
        at_rest = and_(is_open(), leases.unheld(_R, now))
        if await self._tx.change(update(_R).where(this, at_rest).values(state=CANCELLED)) != 1:
            return None
        item = await self.get(id)
        sure = all(_never_left(target, item.attempts) for target in item.targets)
        return Stopped.NEVER_LEFT if sure else Stopped.MAY_HAVE_LEFT

    async def page(
        self, *, limit: int, states: Sequence[str] = (), cursor: str | None = None
    ) -> Page[OutboxItem]:
        """Newest first, keyset."""
        return await self._page(_R, "created_at", to_domain, states=states, limit=limit, cursor=cursor)

    async def _change(self, lease: Lease, values: Mapping[str, Any]) -> None:
        this = {"agency": self._agency_id, "at_id": lease.id, "token": lease.token}
        await self._tx.change_surely(_HELD, leases.only(lease), **this, **values)


def to_domain(row: OutboxRow, attempts: int | None = None) -> OutboxItem:
    """`attempts` where they are not those of the row: a claim counts one more than the row it read."""
    return value_of(OutboxItem, row, attempts=row.attempts if attempts is None else attempts)


def from_domain(item: OutboxItem) -> OutboxRow:
    return _R.of(item, settled_at=None, lease_token=None, lease_until=None)
