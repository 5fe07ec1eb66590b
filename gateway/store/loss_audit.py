"""The rows of the loss audit. In: a day, comparisons. Out: the packets of that day that agencies here sent or have, and the
comparisons with other nodes. A packet's day is in its id; a packet whose document was removed is not counted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Select, and_, delete, or_, select
from sqlmodel import col

from gateway.domain.document import Kind
from gateway.domain.event import EventKind
from gateway.domain.loss_audit import Difference, Pair
from gateway.domain.states import NEVER_LEFT
from gateway.domain.wall_clock import local, midnight
from gateway.ports.services import Clock
from gateway.store.events import NODE_SCOPE, SqlEvents
from gateway.store.row import from_json, to_json
from gateway.store.store import SqlStore
from gateway.store.tables import DeliveryRow, InboxRow, IncomingRow, OutgoingRow
from gateway.store.tables_node import LossCountRow, StateCountRow
from gateway.time_source import moment

# Axes deliver for three days; a partner's node may have been off for longer.
ARRIVES_WITHIN = timedelta(days=14)
STORED_FOR = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class CountedPacket:
    """Packet with the name of its document here. `was_sent`: the axis took it."""

    id: str
    name: str
    was_sent: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class LossCount:
    """Comparison of one day's packets of a pair with another node."""

    node: str
    day: date
    sender: str
    recipient: str
    is_sender: bool
    own_count: int
    other_count: int
    compared_at: datetime
    differences: tuple[Difference, ...] = ()

    @property
    def open_differences(self) -> tuple[Difference, ...]:
        return tuple(difference for difference in self.differences if difference.is_open)


async def sent_packets(store: SqlStore, day: date) -> Mapping[Pair, Sequence[CountedPacket]]:
    """Return the packets of that day that agencies here sent, by sender and recipient."""
    codes = {agency.id: agency.code for agency in await store.hosted()}
    out, delivery = OutgoingRow, DeliveryRow
    query = (
        select(
            col(out.agency_id),
            col(delivery.code),
            col(out.packet_id),
            col(out.number),
            col(out.symbol),
            col(delivery.state),
        )
        .join(
            delivery,
            and_(col(delivery.agency_id) == col(out.agency_id), col(delivery.document_id) == col(out.id)),
        )
        .where(col(out.agency_id).in_(codes), *of_day(col(out.packet_id), day))
    )
    packets: defaultdict[Pair, list[CountedPacket]] = defaultdict(list)
    async with store.reading() as tx:
        for agency_id, code, packet_id, number, symbol, state in await tx.tuples(query):
            packet = CountedPacket(packet_id, f"{number}/{symbol}", state not in NEVER_LEFT)
            packets[codes[agency_id], code].append(packet)
    return packets


async def received_packets(store: SqlStore, day: date) -> Mapping[Pair, Sequence[CountedPacket]]:
    """Return the packets of that day that are here, also those that wait or lie in quarantine, by sender and recipient."""
    codes = {agency.id: agency.code for agency in await store.hosted()}
    row, document = InboxRow, IncomingRow
    begins = midnight(day)
    query = (
        select(
            col(row.agency_id),
            col(row.transport_sender),
            col(row.transport_packet_id),
            col(document.number),
            col(document.symbol),
        )
        .join(
            document,
            and_(col(document.agency_id) == col(row.agency_id), col(document.id) == col(row.incoming_id)),
            isouter=True,
        )
        .where(
            col(row.agency_id).in_(codes),
            col(row.received_at) >= begins - timedelta(days=1),
            col(row.received_at) < begins + ARRIVES_WITHIN,
            col(row.transport_kind) != Kind.STATUS.value,
            or_(col(row.incoming_id).is_(None), col(document.id).is_not(None)),
            *of_day(col(row.transport_packet_id), day),
        )
    )
    packets: defaultdict[Pair, dict[str, CountedPacket]] = defaultdict(dict)
    async with store.reading() as tx:
        for agency_id, sender, packet_id, number, symbol in await tx.tuples(query):
            name = f"{number}/{symbol}" if number is not None else ""
            packets[sender, codes[agency_id]][packet_id] = CountedPacket(packet_id, name)
    return {pair: [*entries.values()] for pair, entries in packets.items()}


def of_day(packet_id: Any, day: date) -> tuple[Any, ...]:  # Any: a column
    """Return the conditions that the packet was made on that day of the office."""
    begins, ends = (int(midnight(d).timestamp() * 1000) for d in (day, day + timedelta(days=1)))
    return packet_id >= f"pkt_{moment(begins)}", packet_id < f"pkt_{moment(ends)}"


async def list_counts(
    store: SqlStore, since: date, *, node: str = "", open_only: bool = False
) -> Sequence[LossCount]:
    """Return the comparisons of days since then, the newest first."""
    query = query_counts(LossCountRow, since, node, open_only=open_only)
    async with store.viewing_few() as tx:
        return await tx.values(_count, query)


def query_counts(
    row: type[LossCountRow] | type[StateCountRow], since: date, node: str, *, open_only: bool
) -> Select[Any]:
    """Return the query for comparisons of days since then, the newest first; `node` is empty for all nodes."""
    query = select(row).where(col(row.day) >= since)
    if node:
        query = query.where(col(row.node) == node)
    if open_only:
        query = query.where(col(row.open_count) > 0)
    return query.order_by(col(row.day).desc(), col(row.node), col(row.sender), col(row.recipient))


async def record_counts(store: SqlStore, clock: Clock, counts: Collection[LossCount]) -> None:
    """Store comparisons in place of those before, with an event for what each of them newly found or settled."""
    now = clock.now()
    old = (col(LossCountRow.day) < local(now).date() - STORED_FOR, col(LossCountRow.open_count) == 0)
    async with store.changing_rows() as tx:
        await tx.change(delete(LossCountRow).where(*old))
        for count in counts:
            open_count, row = len(count.open_differences), LossCountRow
            same = (col(row.node) == count.node, col(row.day) == count.day)
            pair = (col(row.sender) == count.sender, col(row.recipient) == count.recipient)
            earlier = await tx.scalar(select(col(row.open_count)).where(*same, *pair)) or 0
            text = to_json(tuple[Difference, ...], count.differences)
            await tx.upsert(LossCountRow.from_value(count, differences=text, open_count=open_count))
            if open_count != earlier:
                kind = EventKind.LOSS_DETECTED if open_count > earlier else EventKind.LOSS_SETTLED
                data = {"node": count.node, "day": count.day.isoformat(), "count": open_count}
                data |= {"sender": count.sender, "recipient": count.recipient}
                await SqlEvents(tx, NODE_SCOPE, clock).append(kind, f"loss:{count.node}", now, data)


def _count(row: LossCountRow) -> LossCount:
    return LossCount(
        node=row.node,
        day=row.day,
        sender=row.sender,
        recipient=row.recipient,
        is_sender=row.is_sender,
        own_count=row.own_count,
        other_count=row.other_count,
        compared_at=row.compared_at,
        differences=from_json(tuple[Difference, ...], row.differences),
    )
