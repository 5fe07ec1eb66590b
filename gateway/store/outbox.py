"""Envelopes that wait for a courier, the worker that sends them. In: an item with its recipients. Out: the item under a
lease, until every recipient is settled. Each is sent at least once: after an expired lease the same bytes are sent again.

A process with couriers leases its own new rows to them and hands them over in memory, which saves the transaction of a
claim. The lease alone decides which worker owns a row."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, bindparam, select, update
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
from gateway.store.transaction import BoundQuery, Transaction

WAITING, SENT, FAILED, CANCELLED = "waiting", "sent", "failed", "cancelled"
_OF_AGENCY = select(OutboxRow).where(col(OutboxRow.agency_id) == bindparam("agency"))
_BY_ID = _OF_AGENCY.where(col(OutboxRow.id) == bindparam("id"))
_OF_SUBJECT = _OF_AGENCY.where(col(OutboxRow.subject_id) == bindparam("subject")).order_by(
    col(OutboxRow.created_at), col(OutboxRow.id)
)
_ONE_TOKEN = timedelta(seconds=1)


def any_due(now: datetime, lease_s: float) -> BoundQuery:
    return leases.any_due(_QUEUE, now, lease_s)


async def claim(
    tx: Transaction, clock: Clock, limit: int, lease_s: float, ordinary: int
) -> list[LeasedOutbox]:
    """Lease up to `limit` due rows of all agencies, the urgent lane first, R46 (urgent documents first), then the oldest;
    at least `ordinary` of them are of the normal lane."""
    leased_rows = await leases.claim(tx, _QUEUE, clock, limit, lease_s, ordinary=ordinary)
    return [LeasedOutbox(item=to_domain(row, lease.attempt), lease=lease) for row, lease in leased_rows]


def is_open() -> ColumnElement[bool]:
    return col(OutboxRow.state) == WAITING


_QUEUE = leases.SharedRows.of_table(
    OutboxRow, is_open(), (col(OutboxRow.created_at), col(OutboxRow.id)), lane=col(OutboxRow.lane)
)
# Only while the lease is valid and the row open, so that a courier that wakes late changes nothing (G7, leases).
_UPDATE = update(OutboxRow).where(
    col(OutboxRow.agency_id) == bindparam("agency"), *leases.fence(OutboxRow), is_open()
)


_HASTEN = leases.hastening(OutboxRow, is_open())


async def hasten(tx: Transaction, now: datetime, most: int) -> int:
    """Make up to `most` rows of all agencies due that wait for another attempt; return how many they were."""
    return await tx.change(_HASTEN, now=now, most=most)


def _never_left(target: OutboxTarget, attempts: int) -> bool:
    """Tell whether the axis cannot have the packet for this target. It may have it when an attempt recorded no outcome,
    because its courier died, or an unsure one."""
    is_doubtful = target.trail is not None and target.trail.unsure
    return target.tried == attempts and not is_doubtful


def _ring_nobody() -> None:
    """Do nothing; used in place of a ring while no courier runs."""


class OwnRows:
    """Queues in memory of rows that this process wrote and leased to its own couriers, one for large envelopes, so that no
    small one waits for them. While they are closed, new rows wait for a claim; a row that is lost here waits until its
    lease ends."""

    def __init__(self, clock: Clock, held_rows: HeldRows) -> None:
        self._clock, self._held_rows = clock, held_rows
        self._rings = (_ring_nobody, _ring_nobody)
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
        """Accept rows from now on, up to `most` in each queue, and call `ring`, or `ring_large`, for each."""
        self._rings = (ring, ring_large or ring)
        self._most, self._lease_s = most, timedelta(seconds=lease_s)

    def close(self) -> None:
        self._most, self._rings = 0, (_ring_nobody, _ring_nobody)

    def lease(self, id: str, *, large: bool = False) -> Lease | None:
        """Return a lease for a row to be written. None when the queue is full or closed; the row is then claimed later."""
        if len(self._waiting[large]) >= self._most:
            return None
        now, shared = self._clock.now(), self._shared
        # Rows written within a second share a token, as rows that are claimed together do.
        if shared is None or not timedelta() <= now + self._lease_s - shared.ends_at <= _ONE_TOKEN:
            shared = Lease(id=id, token=self._clock.new_id(), ends_at=now + self._lease_s, attempt=1)
            self._shared = shared
            self._held_rows.add((shared,), now)
        return replace(shared, id=id)

    def give(self, row: LeasedOutbox) -> None:
        """Put a committed row into its queue and ring its couriers."""
        large = row.body is None
        self._waiting[large].append(row)
        self._rings[large]()

    def take(self, most: int, *, large: bool = False) -> list[LeasedOutbox]:
        """Take up to `most` rows, urgent ones first. A row whose lease is half over is dropped, and claimed later."""
        now, waiting = self._clock.now(), self._waiting[large]
        usable = [row for row in waiting if now < row.lease.ends_at - self._lease_s / 2]
        usable.sort(key=lambda row: row.item.lane is not Lane.URGENT)
        waiting[:] = usable[most:]
        return usable[:most]


class SqlOutbox(AgencyRows):
    """Repository of one agency's envelopes to send; each is sent at least once."""

    async def add(self, item: OutboxItem, lease: Lease | None = None) -> None:
        """Add an item, under `lease` if one is given. Clash when its id is stored already."""
        self._check_own(item.agency_id, f"the outbox item {item.id}")
        row = from_domain(item)
        if lease is not None:
            row.change(attempts=lease.attempt, lease_token=lease.token, lease_until=lease.ends_at)
        stored = partial(errors.Clash, f"the outbox item {item.id} is already stored")
        await self._tx.insert_required(row, stored)

    async def get(self, id: str) -> OutboxItem:
        return await self._get(to_domain, _BY_ID, f"this agency has no outbox item {id}", id=id)

    async def of_subject(self, subject_id: str) -> Sequence[OutboxItem]:
        """Return the items of a document or another subject, the oldest first."""
        return await self._values(to_domain, _OF_SUBJECT, subject=subject_id)

    async def mark_sent(self, sent_leases: Sequence[Lease], at: datetime) -> None:
        """Mark the items of these leases as sent, when all their targets are settled. StaleLease, at the latest when the
        unit ends, when a lease is no longer ours."""
        columns = leases.released(None, None) | {"agency": self._agency_id, "state": SENT, "settled_at": at}
        rows = [{"at_id": lease.id, "token": lease.token, **columns} for lease in sent_leases]
        await self._tx.change_all_required(_UPDATE, leases.all_of(sent_leases), rows)

    async def mark_failed(self, lease: Lease, at: datetime, error: str) -> None:
        await self._change(lease, leases.released(None, error) | {"state": FAILED, "settled_at": at})

    async def retry(
        self, lease: Lease, not_before: datetime, targets: Sequence[OutboxTarget], error: str
    ) -> None:
        """End the lease and let the item wait until `not_before` with the remaining targets. StaleLease as above."""
        columns = {"targets": to_json(tuple[OutboxTarget, ...], tuple(targets))}
        await self._change(lease, leases.released(not_before, error) | columns)

    async def replace_envelope(self, lease: Lease, item: OutboxItem) -> None:
        """Replace the item's envelope and signing certificate by those of `item`. StaleLease as above."""
        envelope = ("envelope_digest", "envelope_size", "signed_by")
        await self._change(lease, {name: getattr(item, name) for name in envelope})

    async def stop(self, id: str, now: datetime) -> Stopped | None:
        """Cancel an item, and return whether it may have left. None, with nothing changed, while a courier leases it, and
        when it has ended."""
        is_idle = self._where(OutboxRow, is_open(), leases.unheld(OutboxRow, now), id=id)
        if await self._tx.change(update(OutboxRow).where(is_idle).values(state=CANCELLED)) != 1:
            return None
        item = await self.get(id)
        is_certain = all(_never_left(target, item.attempts) for target in item.targets)
        return Stopped.NEVER_LEFT if is_certain else Stopped.MAY_HAVE_LEFT

    async def cancel_failed(self, subject_id: str, delivery_ids: Collection[str]) -> None:
        """Cancel the failed items of a subject whose deliveries all go by another item now."""
        for item in await self.of_subject(subject_id):
            if item.state == FAILED and {target.delivery_id for target in item.targets} <= {*delivery_ids}:
                failed = self._where(OutboxRow, col(OutboxRow.state) == FAILED, id=item.id)
                await self._tx.change(update(OutboxRow).where(failed).values(state=CANCELLED))

    async def page(
        self, *, limit: int, states: Sequence[str] = (), cursor: str | None = None
    ) -> Page[OutboxItem]:
        """Return one page of items and the cursor of the next, the newest first."""
        return await self._page(OutboxRow, "created_at", to_domain, states=states, limit=limit, cursor=cursor)

    async def _change(self, lease: Lease, columns: Mapping[str, Any]) -> None:
        await leases.change(self._tx, _UPDATE, self._agency_id, lease, columns)


def to_domain(row: OutboxRow, attempts: int | None = None) -> OutboxItem:
    """Convert a row to an item. `attempts` overrides the row's, because a claim counts one more than it read."""
    return value_of(OutboxItem, row, attempts=row.attempts if attempts is None else attempts)


def from_domain(item: OutboxItem) -> OutboxRow:
    return OutboxRow.from_value(item, settled_at=None, lease_token=None, lease_until=None)
