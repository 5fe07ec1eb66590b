"""Arrived packets of the inbox, and their outcome (G4, none is dropped). In: a packet whose bytes are stored already, with
the routing that the transport gave. Out: its row under a lease, until it is settled. A packet is stored (landed) before it
is judged (A3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    and_,
    bindparam,
    exists,
    func,
    not_,
    or_,
    select,
    union_all,
    update,
)
from sqlmodel import col

from gateway import errors, meters
from gateway.domain.document import UNDECIDED
from gateway.domain.identity import Digest
from gateway.domain.proof import Step
from gateway.domain.queues import MOST_COPIES, AxisNote, InboxPacket, Lease, LeasedInbox
from gateway.ports.services import Clock
from gateway.store import leases
from gateway.store.drivers import SLOW
from gateway.store.incoming import ACKED
from gateway.store.pending_writes import PendingWrite
from gateway.store.repository import Page, WatchedRows
from gateway.store.row import one_of, same, to_json, value_of
from gateway.store.tables import HandoverRow, InboxRow, IncomingRow
from gateway.store.transaction import BoundQuery, Transaction

LANDED, WAITING = "landed", "waiting"
REPEAT = "MSG-REPEAT"
_REOPENABLE = (WAITING, "held", "quarantined", "malformed", "dropped")
_OF_AGENCY = select(InboxRow).where(col(InboxRow.agency_id) == bindparam("agency"))
_BY_ID = _OF_AGENCY.where(col(InboxRow.id) == bindparam("id"))
_BY_DIGEST = _OF_AGENCY.where(col(InboxRow.file_digest) == bindparam("digest"))
_UPDATE = update(InboxRow).where(
    col(InboxRow.agency_id) == bindparam("agency"), col(InboxRow.id) == bindparam("at_id")
)
_FRESH: Mapping[str, Any] = {
    "state": LANDED,
    "attempts": 0,
    "code": None,
    "reason": None,
    "settled_at": None,
    **leases.released(None, None),
}
# Packets of all agencies, the oldest first.
OLDEST_FIRST = select(InboxRow).order_by(col(InboxRow.received_at), col(InboxRow.id))
# Packets in quarantine without a proved sender (A7, unproved senders).
_IS_KEPT_OUT = col(InboxRow.state).in_(("quarantined", "malformed"))
IS_UNPROVED = and_(_IS_KEPT_OUT, col(InboxRow.sender_code).is_(None))
# Marked as slow, because in a flood of packets these are many rows.
UNPROVED_BYTES = (
    select(func.coalesce(func.sum(col(InboxRow.size)), 0))
    .where(IS_UNPROVED)
    .execution_options(**{SLOW: True})
)


async def claim(
    tx: Transaction, clock: Clock, limit: int, lease_s: float, ordinary: int
) -> list[LeasedInbox]:
    """Lease up to `limit` landed rows of all agencies, the urgent lane first, then the oldest; at least `ordinary` of them
    are of the normal lane."""
    leased_rows = await leases.claim(tx, _QUEUE, clock, limit, lease_s, ordinary=ordinary)
    return [LeasedInbox(item=to_inbox_item(row, lease.attempt), lease=lease) for row, lease in leased_rows]


def any_due(now: datetime, lease_s: float) -> BoundQuery:
    return leases.any_due(_QUEUE, now, lease_s)


def is_open() -> ColumnElement[bool]:
    return col(InboxRow.state) == LANDED


_QUEUE = leases.SharedRows.of_table(
    InboxRow, is_open(), (col(InboxRow.received_at), col(InboxRow.id)), lane=col(InboxRow.lane)
)
# Only while the lease is valid and the row open, so that a worker that wakes late changes nothing (G7, leases).
_UPDATE_LEASED = update(InboxRow).where(
    col(InboxRow.agency_id) == bindparam("agency"), *leases.fence(InboxRow), is_open()
)


def partner_bytes(agency_id: str | None) -> CompoundSelect[Any]:
    """Return the query of the bytes of unhandled mail, by agency and sender, of one agency or all: packets that are not
    settled, and documents that no person decided on and no program fetched. Unproved senders have a quota of
    their own."""
    size, sender = (
        func.sum(col(InboxRow.size)),
        func.coalesce(InboxRow.sender_code, InboxRow.transport_sender),
    )
    is_open = or_(
        one_of(col(InboxRow.state), (LANDED, WAITING, "held")), and_(_IS_KEPT_OUT, not_(IS_UNPROVED))
    )
    is_fetched = exists().where(
        same(HandoverRow.agency_id, IncomingRow.agency_id),
        same(HandoverRow.incoming_id, IncomingRow.id),
        col(HandoverRow.state) == ACKED,
    )
    packets = select(col(InboxRow.agency_id), sender, size).where(is_open)
    documents = (
        select(col(IncomingRow.agency_id), col(IncomingRow.sender_code), size)
        .join_from(IncomingRow, InboxRow, same(IncomingRow.inbox_id, InboxRow.id))
        .where(one_of(col(IncomingRow.state), UNDECIDED), not_(is_fetched))
    )
    if agency_id is not None:
        packets = packets.where(col(InboxRow.agency_id) == agency_id)
        documents = documents.where(col(IncomingRow.agency_id) == agency_id)
    of_documents = documents.group_by(IncomingRow.agency_id, IncomingRow.sender_code)
    return union_all(packets.group_by(InboxRow.agency_id, sender), of_documents)


def _count(packet: InboxPacket, took_s: float | None) -> None:
    """Count a settled packet in the metrics; `took_s` is None when a person settled it, perhaps days later."""
    meters.SETTLED.add(state=packet.state, code=packet.code or "")
    if took_s is not None:
        meters.LANDED_TO_VERDICT.observe(took_s, state=packet.state)
    if packet.code == REPEAT:
        meters.REPEATED.add()


class SqlInbox(WatchedRows):
    """Repository of one agency's arrived packets; the same bytes are one row, however often they arrive."""

    _landing: tuple[Lease, PendingWrite] | None = None

    async def land(self, packet: InboxPacket) -> InboxPacket:
        """Store a packet and return it, or return the stored packet of this agency with the same bytes. This comes before
        the axis is answered."""
        if await self._tx.insert_new(self._make_row(packet)):
            return packet
        stored_packet = await self.with_bytes(packet.file_digest)
        if stored_packet is None:
            raise errors.Clash(f"the inbox row {packet.id} is stored already, with other bytes")
        return stored_packet

    def land_to_settle(self, packet: InboxPacket, lease: Lease) -> None:
        """Store a packet, leased, that the same unit of work settles under that lease. Clash, at the latest when the unit
        ends, when a packet with the same bytes is stored already."""
        row = self._make_row(packet)
        row.change(attempts=lease.attempt, lease_token=lease.token, lease_until=lease.ends_at)
        self._landing = (lease, self._tx.insert_open(row))

    def _make_row(self, packet: InboxPacket) -> InboxRow:
        self._check_own(packet.agency_id, f"the packet {packet.id}")
        return inbox_row(packet)

    async def get(self, id: str) -> InboxPacket:
        missing = f"this agency has no inbox row {id}"
        return await self._get(to_inbox_item, self._tx.lock_rows(_BY_ID), missing, id=id)

    async def with_bytes(self, file_digest: Digest) -> InboxPacket | None:
        """Find the packet with this digest of its bytes."""
        return await self._value(to_inbox_item, self._tx.lock_rows(_BY_DIGEST), digest=file_digest)

    async def settle(self, packet: InboxPacket, lease: Lease | None) -> None:
        """Store a packet's verdict and end its lease. A worker passes its lease: StaleLease when that is no longer ours. An
        act of a person has none: Clash while a worker leases the row."""
        columns = settled_values(packet, packet.settled_at or self._clock.now()) | leases.released(None, None)
        if lease is not None:
            if not self._is_landing(lease, columns):
                await self._change(lease, columns)
        elif not await self._change_unheld(packet.id, columns):
            raise errors.Clash(f"the packet {packet.id} is being worked on; try again in a minute")
        took = (self._clock.now() - packet.received_at).total_seconds() if lease is not None else None
        self._tx.when_committed(partial(_count, packet, took))

    def _is_landing(self, lease: Lease, columns: Mapping[str, Any]) -> bool:
        """Set these columns in the row that `land_to_settle` added under this lease; False when it is written already."""
        if self._landing is None or self._landing[0] != lease:
            return False
        return self._tx.amend(self._landing[1], columns)

    async def check_held(self, lease: Lease) -> None:
        """Check that the lease is valid, and lock its row until a writing unit of work ends. StaleLease when the row is
        settled, or leased by another worker."""
        query = _BY_ID.where(*leases.fence(InboxRow), is_open())
        parameters = {"id": lease.id, "at_id": lease.id, "token": lease.token}
        row = await self._tx.first(InboxRow, self._tx.lock_rows(query), agency=self._agency_id, **parameters)
        leases.exactly_one(int(row is not None), lease)

    async def postpone(self, lease: Lease, not_before: datetime, error: str, *, counted: bool = True) -> None:
        """End the lease and let the packet wait until `not_before`. A try that is not `counted` is taken off the attempts.
        StaleLease when the lease is no longer ours."""
        tries = {} if counted else {"attempts": lease.attempt - 1}
        await self._change(lease, leases.released(not_before, error) | tries)

    async def reopen(self, id: str, *, routing: AxisNote | None = None, released: bool = False) -> None:
        """Set a waiting, held, quarantined, malformed or dropped packet to landed without attempts, so that it is judged
        again, with the routing of another copy when that is given. `released`: a person lets it in. Clash in any other
        state."""
        fresh = dict(_FRESH) | (routing_columns(routing) if routing else {})
        if released:
            fresh["released"] = True
        if not await self._change_unheld(id, fresh, col(InboxRow.state).in_(_REOPENABLE)):
            packet = await self.get(id)
            raise errors.Clash(
                f"the packet {id} is {packet.state}; only {', '.join(_REOPENABLE)} can be opened again"
            )

    async def add_routing(self, id: str, note: AxisNote) -> bool:
        """Store the different routing of another copy of the packet, for `try_next`. Return False when there are as many
        as may be stored."""
        packet = await self.get(id)
        if note == packet.routing or note in packet.untried:
            return True
        if len(packet.untried) >= MOST_COPIES:
            return False
        columns = {"untried": untried_value((*packet.untried, note))}
        return await self._tx.change(_UPDATE, agency=self._agency_id, at_id=id, **columns) == 1

    async def add_axis(self, id: str, axis: str) -> bool:
        """Record that the same bytes came by this axis too. Return False when that was recorded before."""
        if not axis:
            return False
        packet = await self.get(id)
        if axis in packet.axes:
            return False
        columns = {"axes": _names((*packet.axes, axis))}
        return await self._tx.change(_UPDATE, agency=self._agency_id, at_id=id, **columns) == 1

    async def try_next(self, lease: Lease) -> AxisNote | None:
        """Set the packet to landed with the routing of its next copy, and return that routing; None when there is no other
        copy. For a packet that was judged on a false routing. StaleLease when the lease is no longer ours."""
        packet = await self.get(lease.id)
        if not packet.untried:
            return None
        note, *notes = packet.untried
        columns = dict(_FRESH) | routing_columns(note) | {"untried": untried_value(tuple(notes))}
        await self._change(lease, columns)
        return note

    async def page(
        self, *, limit: int, states: Sequence[str] = (), cursor: str | None = None
    ) -> Page[InboxPacket]:
        """Return one page of packets and the cursor of the next, the newest first."""
        return await self._page(
            InboxRow, "received_at", to_inbox_item, states=states, limit=limit, cursor=cursor
        )

    async def _change_unheld(self, id: str, columns: dict[str, Any], *extra: ColumnElement[bool]) -> bool:
        """Change a row that no worker leases and that meets the `extra` conditions; return whether it was changed. NotFound
        when there is no such row."""
        await self.get(id)
        is_unheld = self._where(InboxRow, leases.unheld(InboxRow, self._clock.now()), *extra, id=id)
        return await self._tx.change(update(InboxRow).where(is_unheld).values(**columns)) == 1

    async def _change(self, lease: Lease, columns: dict[str, Any]) -> None:
        await leases.change(self._tx, _UPDATE_LEASED, self._agency_id, lease, columns)


def to_inbox_item(row: InboxRow, attempts: int | None = None) -> InboxPacket:
    """Convert a row to a packet. `attempts` overrides the row's, because a claim counts one more than it read."""
    needs = (row.needs_sender, row.needs_document_id)
    return value_of(
        InboxPacket,
        row,
        needs=(needs[0], needs[1]) if needs[0] is not None and needs[1] is not None else None,
        attempts=row.attempts if attempts is None else attempts,
        axes=tuple(row.axes.split()),
    )


def inbox_row(packet: InboxPacket) -> InboxRow:
    columns = leases.released(None, None) | settled_values(packet, packet.settled_at)
    return InboxRow.from_value(packet, axes=_names(packet.axes), **columns)


def routing_columns(note: AxisNote) -> dict[str, Any]:
    return {
        "transport_packet_id": note.packet_id,
        "transport_kind": note.kind,
        "transport_sender": note.sender,
        "transport_node": note.node,
        "transport_session": note.session,
    }


def _names(axes: Sequence[str]) -> str:
    return " ".join(axes)


def untried_value(untried: tuple[AxisNote, ...]) -> str:
    return to_json(tuple[AxisNote, ...], untried)


def settled_values(packet: InboxPacket, settled_at: datetime | None) -> dict[str, Any]:
    """Return the columns that a verdict writes; the transport's routing is not among them. A release by a person applies to
    one verdict, and stays only while the packet is landed or waiting."""
    needs_sender, needs_document_id = packet.needs or (None, None)
    names = ("state", "code", "reason", "sender_code", "document_id", "kind", "incoming_id")
    return {name: getattr(packet, name) for name in names} | {
        "needs_sender": needs_sender,
        "needs_document_id": needs_document_id,
        "steps": to_json(tuple[Step, ...], packet.steps),
        "settled_at": settled_at,
        "released": packet.released and packet.state in ("landed", "waiting"),
    }
