"""Packets as they landed, and what became of each (G4). In: bytes already kept, with what the transport said. Out: the
same row under a lease, until it is settled. Landing says nothing about what a packet is (A3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, bindparam, func, select, update
from sqlmodel import col

from gateway import errors, meters
from gateway.domain.identity import Digest
from gateway.domain.proof import Step
from gateway.domain.queues import MOST_COPIES, AxisNote, InboxPacket, Lease, LeasedInbox
from gateway.ports.services import Clock
from gateway.store import leases
from gateway.store.drivers import SLOW
from gateway.store.pending_writes import PendingWrite
from gateway.store.repository import Page, WatchedRows
from gateway.store.row import to_json, value_of
from gateway.store.tables import InboxRow
from gateway.store.transaction import Asked, Transaction

LANDED, WAITING = "landed", "waiting"
REPEAT = "MSG-REPEAT"
_REOPENABLE = (WAITING, "held", "quarantined", "malformed", "dropped")
_R = InboxRow


async def claim(
    tx: Transaction, clock: Clock, limit: int, lease_s: float, ordinary: int
) -> list[LeasedInbox]:
    """Landed rows of every agency, urgent lane first, then the oldest; so many `ordinary` ones in any case."""
    found = await leases.claim(tx, _QUEUE, clock, limit, lease_s, ordinary=ordinary)
    return [LeasedInbox(item=to_inbox_item(row, lease.attempt), lease=lease) for row, lease in found]


def any_due(now: datetime, lease_s: float) -> Asked:
    return leases.any_due(_QUEUE, now, lease_s)


def is_open() -> ColumnElement[bool]:
    return col(_R.state) == LANDED


_QUEUE = leases.SharedRows.of(_R, is_open(), (col(_R.received_at), col(_R.id)), lane=col(_R.lane))
_MINE = select(_R).where(col(_R.agency_id) == bindparam("agency"))
_BY_ID = _MINE.where(col(_R.id) == bindparam("id"))
_BY_DIGEST = _MINE.where(col(_R.file_digest) == bindparam("digest"))
_THIS = update(_R).where(col(_R.agency_id) == bindparam("agency"), col(_R.id) == bindparam("at_id"))
# WHERE id AND lease_token AND not done (G7): a worker that wakes late changes nothing.
_HELD = update(_R).where(col(_R.agency_id) == bindparam("agency"), *leases.fence(_R), is_open())

_FRESH: Mapping[str, Any] = {
    "state": LANDED,
    "attempts": 0,
    "code": None,
    "reason": None,
    "settled_at": None,
    **leases.released(None, None),
}


async def overdue_waiting(tx: Transaction, before: datetime, limit: int) -> list[InboxPacket]:
    """Of every agency, oldest first."""
    query = select(_R).where(col(_R.state) == WAITING, col(_R.received_at) < before)
    rows = await tx.rows(_R, query.order_by(col(_R.received_at), col(_R.id)).limit(limit))
    return [to_inbox_item(row) for row in rows]


# In quarantine, and of nobody who is proved to have sent it (A7).
_UNPROVED = (col(_R.state).in_(("quarantined", "malformed")), col(_R.sender_code).is_(None))
# In a flood these are many rows.
_UNPROVED_BYTES = (
    select(func.coalesce(func.sum(col(_R.size)), 0)).where(*_UNPROVED).execution_options(**{SLOW: True})
)


async def unproved_bytes(tx: Transaction) -> int:
    """Of every agency."""
    found = await tx.tuples(_UNPROVED_BYTES)
    return int(found[0][0])


async def oldest_unproved(tx: Transaction, limit: int) -> list[InboxPacket]:
    """Of every agency."""
    query = select(_R).where(*_UNPROVED).order_by(col(_R.received_at), col(_R.id)).limit(limit)
    return [to_inbox_item(row) for row in await tx.rows(_R, query)]


def _count(item: InboxPacket, took_s: float | None) -> None:
    """`took_s` where a worker came to this end, and not a person days later."""
    meters.SETTLED.add(state=item.state, code=item.code or "")
    if took_s is not None:
        meters.LANDED_TO_VERDICT.took(took_s, state=item.state)
    if item.code == REPEAT:
        meters.REPEATED.add()


class SqlInbox(WatchedRows):
    """The packets that landed for one agency: the same bytes are one row. It says nothing about what they are."""

    _landing: tuple[Lease, PendingWrite] | None = None

    async def land(self, item: InboxPacket) -> InboxPacket:
        """The row written before the axis is told; unique on (agency, file digest): the existing row when there."""
        if await self._tx.put_new(self._landed(item)):
            return item
        there = await self.with_bytes(item.file_digest)
        if there is None:
            raise errors.Clash(f"the inbox row {item.id} is stored already, with other bytes")
        return there

    def land_to_settle(self, item: InboxPacket, lease: Lease) -> None:
        """The same for who settles it under that lease in the same unit of work. Clash, at the latest when that ends, where
        its bytes are here already."""
        row = self._landed(item)
        row.change(attempts=lease.attempt, lease_token=lease.token, lease_until=lease.ends_at)
        self._landing = (lease, self._tx.put_open(row))

    def _landed(self, item: InboxPacket) -> InboxRow:
        self._check_own(item.agency_id, f"the packet {item.id}")
        return inbox_row(item)

    async def get(self, id: str) -> InboxPacket:
        missing = f"this agency has no inbox row {id}"
        return to_inbox_item(await self._one(_R, self._tx.kept(_BY_ID), missing, id=id))

    async def with_bytes(self, file_digest: Digest) -> InboxPacket | None:
        """The packet that came with these bytes."""
        row = await self._first(_R, self._tx.kept(_BY_DIGEST), digest=file_digest)
        return to_inbox_item(row) if row is not None else None

    async def settle(self, item: InboxPacket, lease: Lease | None) -> None:
        """Writes state, code, reason, sender, document id, kind, needs, incoming id, steps. StaleLease when a lease is
        given and no longer ours; without one the row must be out of any live lease (a person's act), else Clash."""
        values = settled_values(item, item.settled_at or self._clock.now()) | leases.released(None, None)
        if lease is not None:
            if not self._is_landing(lease, values):
                await self._change(lease, values)
        elif not await self._change_unheld(item.id, values):
            raise errors.Clash(f"the packet {item.id} is being worked on; try again in a minute")
        took = (self._clock.now() - item.received_at).total_seconds() if lease is not None else None
        self._tx.when_committed(partial(_count, item, took))

    def _is_landing(self, lease: Lease, values: Mapping[str, Any]) -> bool:
        """Whether its row is written with these values, and never without them."""
        if self._landing is None or self._landing[0] != lease:
            return False
        return self._tx.amend(self._landing[1], values)

    async def still_held(self, lease: Lease) -> None:
        """StaleLease when the row is another's by now, or at its end; in a writing unit of work it stays ours until that
        ends."""
        held = _BY_ID.where(*leases.fence(_R), is_open())
        asked = {"id": lease.id, "at_id": lease.id, "token": lease.token}
        found = await self._first(_R, self._tx.kept(held), **asked)
        leases.exactly_one(int(found is not None), lease)

    async def postpone(self, lease: Lease, not_before: datetime, error: str, *, counted: bool = True) -> None:
        """`counted`: this try counts among those after which a packet is no longer tried."""
        tries = {} if counted else {"attempts": lease.attempt - 1}
        await self._change(lease, leases.released(not_before, error) | tries)

    async def reopen(self, id: str, *, told: AxisNote | None = None, released: bool = False) -> None:
        """A waiting, held, quarantined, malformed or dropped row is landed again, to be verified from the start, its tries
        counted anew: by the words of another copy where given. `released`: a person lets it in. Clash in any other
        state."""
        values = dict(_FRESH) | (told_values(told) if told else {}) | ({"released": True} if released else {})
        if not await self._change_unheld(id, values, col(_R.state).in_(_REOPENABLE)):
            found = await self.get(id)
            raise errors.Clash(
                f"the packet {id} is {found.state}; only {', '.join(_REOPENABLE)} can be opened again"
            )

    async def also_told(self, id: str, told: AxisNote) -> bool:
        """Another copy came with other words; they are kept for `try_next`. False when there is no more room for them."""
        known = await self.get(id)
        if told == known.routing or told in known.untried:
            return True
        if len(known.untried) >= MOST_COPIES:
            return False
        values = {"untried": untried_value((*known.untried, told))}
        return await self._tx.change(_THIS, agency=self._agency_id, at_id=id, **values) == 1

    async def also_came(self, id: str, axis: str) -> bool:
        """The same bytes came by this axis too; whether that is news."""
        if not axis:
            return False
        known = await self.get(id)
        if axis in known.axes:
            return False
        values = {"axes": _names((*known.axes, axis))}
        return await self._tx.change(_THIS, agency=self._agency_id, at_id=id, **values) == 1

    async def try_next(self, lease: Lease) -> AxisNote | None:
        """The words by which it was judged are false: landed again by those of the next copy, or None where no other came.
        StaleLease as above."""
        known = await self.get(lease.id)
        if not known.untried:
            return None
        told, *rest = known.untried
        await self._change(lease, dict(_FRESH) | told_values(told) | {"untried": untried_value(tuple(rest))})
        return told

    async def page(
        self, *, limit: int, states: Sequence[str] = (), cursor: str | None = None
    ) -> Page[InboxPacket]:
        """Newest first, keyset."""
        return await self._page(_R, "received_at", to_inbox_item, states=states, limit=limit, cursor=cursor)

    async def _change_unheld(self, id: str, values: dict[str, Any], *also: ColumnElement[bool]) -> bool:
        """A person's act on a row that no worker holds. NotFound when there is no such row."""
        await self.get(id)
        this = (col(_R.agency_id) == self._agency_id, col(_R.id) == id)
        unheld = leases.unheld(_R, self._clock.now())
        return await self._tx.change(update(_R).where(*this, unheld, *also).values(**values)) == 1

    async def _change(self, lease: Lease, values: dict[str, Any]) -> None:
        this = {"agency": self._agency_id, "at_id": lease.id, "token": lease.token}
        await self._tx.change_surely(_HELD, leases.only(lease), **this, **values)


def to_inbox_item(row: InboxRow, attempts: int | None = None) -> InboxPacket:
    """`attempts` where they are not those of the row: a claim counts one more than the row it read."""
    needs = (row.needs_sender, row.needs_document_id)
    return value_of(
        InboxPacket,
        row,
        needs=(needs[0], needs[1]) if needs[0] is not None and needs[1] is not None else None,
        attempts=row.attempts if attempts is None else attempts,
        axes=tuple(row.axes.split()),
    )


def inbox_row(item: InboxPacket) -> InboxRow:
    given = {
        "axes": _names(item.axes),
        **leases.released(None, None),
    }
    return InboxRow.of(item, **given, **settled_values(item, item.settled_at))


def told_values(told: AxisNote) -> dict[str, Any]:
    return {
        "transport_packet_id": told.packet_id,
        "transport_kind": told.kind,
        "transport_sender": told.sender,
        "transport_node": told.node,
        "transport_session": told.session,
    }


def _names(axes: Sequence[str]) -> str:
    return " ".join(axes)


def untried_value(untried: tuple[AxisNote, ...]) -> str:
    return to_json(tuple[AxisNote, ...], untried)


def settled_values(item: InboxPacket, settled_at: datetime | None) -> dict[str, Any]:
    """The columns that a verdict or a person's act writes; what the transport said stays. A release is used up by the
    verdict that follows it, unless that is to wait."""
    needs_sender, needs_document_id = item.needs or (None, None)
    same = ("state", "code", "reason", "sender_code", "document_id", "kind", "incoming_id")
    return {name: getattr(item, name) for name in same} | {
        "needs_sender": needs_sender,
        "needs_document_id": needs_document_id,
        "steps": to_json(tuple[Step, ...], item.steps),
        "settled_at": settled_at,
        "released": item.released and item.state in ("landed", "waiting"),
    }
