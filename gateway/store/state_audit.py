"""The rows of the audit of states. In: a day, comparisons. Out: the states of that day's packets that agencies here sent or
took in, and the comparisons with other nodes. Only documents of their own are compared: the requests about them are part of
their state. A packet that a successor answered for is left to the loss audit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial

from sqlalchemy import and_, delete, select
from sqlmodel import col

from gateway.domain.document import Kind
from gateway.domain.event import EventKind
from gateway.domain.loss_audit import Pair
from gateway.domain.state_audit import PacketState, StateDifference
from gateway.domain.states import IN_QUEUE, State
from gateway.domain.status import Fact, fold_delivery
from gateway.domain.wall_clock import local, midnight
from gateway.ports.services import Clock, Pool
from gateway.store.events import NODE_SCOPE, SqlEvents
from gateway.store.loss_audit import ARRIVES_WITHIN, STORED_FOR, of_day, query_counts
from gateway.store.row import from_json, to_json
from gateway.store.store import SqlStore
from gateway.store.tables import DeliveryRow, FactRow, IncomingRow, OutgoingRow
from gateway.store.tables_node import StateCountRow

_OWN_KINDS = tuple(kind.value for kind in Kind if kind.is_whole)
_NOT_STATED = (*IN_QUEUE, State.PAPER)
_MOST_NAMES = 20
Counts = Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class StateCount:
    """Comparison of the states of one day's packets of a pair with another node. `counts` are this side's and the other
    side's packets in each state; `compared_at` is the time of the other node's letter."""

    node: str
    day: date
    sender: str
    recipient: str
    is_sender: bool
    compared_at: datetime
    counts: Counts = field(default_factory=dict)
    differences: tuple[StateDifference, ...] = ()

    @property
    def open_differences(self) -> tuple[StateDifference, ...]:
        return tuple(difference for difference in self.differences if difference.is_open)


async def sent_states(store: SqlStore, day: date) -> Mapping[Pair, Sequence[PacketState]]:
    """Return the states of that day's documents that left agencies here, by sender and recipient."""
    codes = {agency.id: agency.code for agency in await store.hosted()}
    out, delivery = OutgoingRow, DeliveryRow
    joined = and_(col(delivery.agency_id) == col(out.agency_id), col(delivery.document_id) == col(out.id))
    of_hosted = (
        col(out.agency_id).in_(codes),
        col(out.kind).in_(_OWN_KINDS),
        *of_day(col(out.packet_id), day),
    )
    columns = (col(out.agency_id), col(delivery.code), col(out.packet_id), col(out.number), col(out.symbol))
    query = (
        select(*columns, col(delivery.state), col(delivery.updated_at))
        .join(delivery, joined)
        .where(*of_hosted, col(delivery.state).not_in(_NOT_STATED))
    )
    by_heir = (
        select(col(out.packet_id))
        .join(delivery, joined)
        .join(
            FactRow,
            and_(
                col(FactRow.agency_id) == col(delivery.agency_id), col(FactRow.subject_id) == col(delivery.id)
            ),
        )
        .where(*of_hosted, col(FactRow.body).like('%"heir":"%'))
    )
    states: defaultdict[Pair, list[PacketState]] = defaultdict(list)
    async with store.reading() as tx:
        answered_by_heir = {packet_id for (packet_id,) in await tx.tuples(by_heir)}
        for agency_id, code, packet_id, number, symbol, word, changed_at in await tx.tuples(query):
            if packet_id not in answered_by_heir:
                name = f"{number}/{symbol}"
                state = PacketState(id=packet_id, name=name, word=word, changed_at=changed_at)
                states[codes[agency_id], code].append(state)
    return states


async def received_states(store: SqlStore, pool: Pool, day: date) -> Mapping[Pair, Sequence[PacketState]]:
    """Return the states of that day's documents that agencies here took in, as their senders are to know them, by sender
    and recipient."""
    codes = {agency.id: agency.code for agency in await store.hosted()}
    document, begins = IncomingRow, midnight(day)
    columns = (col(document.agency_id), col(document.sender_code), col(document.id), col(document.packet_id))
    query = (
        select(*columns, col(document.number), col(document.symbol), col(FactRow.body))
        .join(
            FactRow,
            and_(
                col(FactRow.agency_id) == col(document.agency_id), col(FactRow.subject_id) == col(document.id)
            ),
        )
        .where(
            col(document.agency_id).in_(codes),
            col(document.kind).in_(_OWN_KINDS),
            col(document.arrived_at) >= begins - timedelta(days=1),
            col(document.arrived_at) < begins + ARRIVES_WITHIN,
            *of_day(col(document.packet_id), day),
        )
    )
    names: dict[str, tuple[Pair, str, str]] = {}
    facts: defaultdict[str, list[str]] = defaultdict(list)
    async with store.reading() as tx:
        for agency_id, sender, id, packet_id, number, symbol, body in await tx.tuples(query):
            names[id] = (sender, codes[agency_id]), packet_id, f"{number}/{symbol}"
            facts[id].append(body)
    states: defaultdict[Pair, list[PacketState]] = defaultdict(list)
    for id, (word, changed_at) in (await pool.run(partial(_fold, facts))).items():
        pair, packet_id, name = names[id]
        states[pair].append(PacketState(id=packet_id, name=name, word=word, changed_at=changed_at))
    return states


def _fold(facts: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, datetime]]:
    """Return for each document the state that its sender is to know, and when it changed last; facts of a document and of
    its delivery fold alike."""
    states = {}
    for id, bodies in facts.items():
        own = [from_json(Fact, body) for body in bodies]
        standing = fold_delivery(own)
        if standing.business is not None:
            states[id] = standing.word, max(fact.at for fact in own)
    return states


async def list_counts(
    store: SqlStore, since: date, *, node: str = "", open_only: bool = False
) -> Sequence[StateCount]:
    """Return the comparisons of days since then, the newest first."""
    query = query_counts(StateCountRow, since, node, open_only=open_only)
    async with store.viewing_few() as tx:
        return await tx.values(_count, query)


async def record_counts(store: SqlStore, clock: Clock, counts: Collection[StateCount]) -> None:
    """Store comparisons in place of those before, with an event for each that tells what newly differs or agrees again."""
    now, row = clock.now(), StateCountRow
    old = (col(row.day) < local(now).date() - STORED_FOR, col(row.open_count) == 0)
    async with store.changing_rows() as tx:
        await tx.change(delete(row).where(*old))
        for count in counts:
            same = (col(row.node) == count.node, col(row.day) == count.day)
            pair = (col(row.sender) == count.sender, col(row.recipient) == count.recipient)
            text = await tx.scalar(select(col(row.differences)).where(*same, *pair))
            earlier = from_json(tuple[StateDifference, ...], text or "[]")
            columns = {"differences": to_json(tuple[StateDifference, ...], count.differences)}
            columns["counts"] = to_json(dict[str, tuple[int, int]], dict(count.counts))
            await tx.upsert(
                StateCountRow.from_value(count, open_count=len(count.open_differences), **columns)
            )
            for kind, differences in _news(earlier, count.differences):
                data = {"node": count.node, "day": count.day.isoformat(), "count": len(differences)}
                data |= {"sender": count.sender, "recipient": count.recipient}
                data["packets"] = [_describe(difference) for difference in differences[:_MOST_NAMES]]
                await SqlEvents(tx, NODE_SCOPE, clock).append(kind, f"loss:{count.node}", now, data)


def _news(
    earlier: Sequence[StateDifference], current: Sequence[StateDifference]
) -> list[tuple[EventKind, list[StateDifference]]]:
    """Return the events that are due, with their differences."""
    open_before = {(d.key, d.first_at) for d in earlier if d.is_open}
    opened = [d for d in current if d.is_open and (d.key, d.first_at) not in open_before]
    closed = [d for d in current if d.closed_at is not None and (d.key, d.first_at) in open_before]
    news = [(EventKind.STATES_DIFFER, opened), (EventKind.STATES_AGREE, closed)]
    return [(kind, differences) for kind, differences in news if differences]


def _describe(difference: StateDifference) -> dict[str, str]:
    """Return what an event says of a difference; the repair where it is closed."""
    words = {"packet": difference.key, "own": difference.own, "other": difference.other}
    if difference.closed_at is not None:
        words |= {"settled_as": difference.settled_as, "repaired_at": difference.repaired_at}
    return words


def _count(row: StateCountRow) -> StateCount:
    return StateCount(
        node=row.node,
        day=row.day,
        sender=row.sender,
        recipient=row.recipient,
        is_sender=row.is_sender,
        compared_at=row.compared_at,
        counts=from_json(dict[str, tuple[int, int]], row.counts),
        differences=from_json(tuple[StateDifference, ...], row.differences),
    )
