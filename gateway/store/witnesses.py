"""The rows of witnesses: of those that this node asks, with their cosignatures, and of the logs that it cosigns. In:
answers and requests that were verified. Out: the state of each side. A change applies only to the row that its caller has
read, so of two processes one counts; an event is in the same transaction. Each call is durable on return."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import delete, func, or_, select, update
from sqlmodel import col

from gateway.domain.event import Event, EventKind
from gateway.domain.notes import NoteKey, read_key
from gateway.domain.wall_clock import local
from gateway.ports.services import Clock
from gateway.store.events import NODE, NODE_SCOPE, SqlEvents, to_domain
from gateway.store.store import SqlStore
from gateway.store.tables_node import EventRow, LogCosignatureRow, LogWitnessRow, WitnessedLogRow
from gateway.store.transaction import Transaction

# Each hour's cosignature is stored this long, then the last of each day.
OWN_LOG = "log"
"""Subject id of the events about this node's own log and its witnesses."""
OWN_KEYS = f"{OWN_LOG}:keys"
_MOST_CHANGES = 50
_EACH_HOUR_DAYS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """Witness of this node's log. `keys` are words, a line each; `held_size` is the size that it cosigned last, `fault` a
    word for its last answer, `other_history` a checkpoint of ours that our log contradicts."""

    name: str
    keys: str = ""
    held_size: int = 0
    asked_at: datetime | None = None
    said_at: datetime | None = None
    cosigned_at: datetime | None = None
    fault: str = ""
    other_history: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosignature:
    """Signatures of one witness, as lines, under this node's checkpoint of that size."""

    witness: str
    tree_size: int
    day: date
    at: datetime
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessedLog:
    """Log that this node cosigns. `note` is the signed checkpoint that it cosigned last, `other_history` one that
    contradicts it."""

    origin: str
    node: str
    code: str
    keys: str
    note: str
    size: int
    first_at: datetime
    asked_at: datetime
    said_at: datetime
    cosigned_at: datetime | None = None
    fault: str = ""
    other_history: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogNews:
    """Event about a log or its witnesses, recorded with the change of a row."""

    kind: EventKind
    subject: str
    data: Mapping[str, object]


async def list_witnesses(store: SqlStore) -> Sequence[Witness]:
    async with store.viewing_few() as tx:
        return await tx.values(Witness, select(LogWitnessRow).order_by(col(LogWitnessRow.name)))


async def claim_question(store: SqlStore, name: str, pause: timedelta, now: datetime) -> bool:
    """Note that the witness is asked now; False where a process asked it within the pause."""
    asked_at = col(LogWitnessRow.asked_at)
    is_rested = or_(asked_at.is_(None), asked_at <= now - pause, asked_at > now)
    claim = update(LogWitnessRow).where(col(LogWitnessRow.name) == name, is_rested).values(asked_at=now)
    async with store.changing_rows() as tx:
        if await tx.insert_new(LogWitnessRow.from_value(Witness(name=name, asked_at=now))):
            return True
        return bool(await tx.change(claim))


async def record_answer(
    store: SqlStore,
    clock: Clock,
    answer: Witness,
    cosignature: Cosignature | None = None,
    news: Sequence[LogNews] = (),
) -> bool:
    """Store the answer of a witness, unless a later letter of it was stored; return whether it was."""
    said_at = col(LogWitnessRow.said_at)
    statement = update(LogWitnessRow).where(col(LogWitnessRow.name) == answer.name)
    if answer.said_at is not None:
        statement = statement.where(or_(said_at.is_(None), said_at < answer.said_at))
    names = ("keys", "held_size", "said_at", "cosigned_at", "fault", "other_history")
    async with store.changing_rows() as tx:
        if not await tx.change(statement.values({name: getattr(answer, name) for name in names})):
            return False
        if cosignature is not None:
            await tx.insert_new(LogCosignatureRow.from_value(cosignature))
            await _thin(tx, cosignature)
        await _record_events(tx, clock, news)
    return True


async def _thin(tx: Transaction, newest: Cosignature) -> None:
    """Delete cosignatures of earlier days, but for the last of each day."""
    row, witness = LogCosignatureRow, col(LogCosignatureRow.witness) == newest.witness
    last = select(func.max(col(row.tree_size))).where(witness).group_by(col(row.day))
    is_old = col(row.day) < newest.day - timedelta(days=_EACH_HOUR_DAYS)
    await tx.change(delete(row).where(witness, is_old, col(row.tree_size).not_in(last)))


async def list_cosignatures(store: SqlStore, least_size: int) -> Sequence[Cosignature]:
    """Return the cosignatures under checkpoints of at least that size, the smallest first."""
    size = col(LogCosignatureRow.tree_size)
    query = select(LogCosignatureRow).where(size >= least_size)
    async with store.viewing_few() as tx:
        return await tx.values(Cosignature, query.order_by(size, col(LogCosignatureRow.witness)).limit(1000))


async def newest_cosignatures(store: SqlStore) -> Sequence[Cosignature]:
    """Return the newest cosignature of each witness."""
    row = LogCosignatureRow
    newest = select(func.max(col(row.tree_size)), col(row.witness)).group_by(col(row.witness)).subquery()
    query = select(row).join(newest, (col(row.tree_size) == newest.c[0]) & (col(row.witness) == newest.c[1]))
    async with store.viewing_few() as tx:
        return await tx.values(Cosignature, query.order_by(col(row.witness)))


async def find_witnessed(store: SqlStore, origin: str) -> WitnessedLog | None:
    query = select(WitnessedLogRow).where(col(WitnessedLogRow.origin) == origin)
    async with store.viewing_few() as tx:
        return await tx.value(WitnessedLog, query)


async def list_witnessed(store: SqlStore) -> Sequence[WitnessedLog]:
    query = select(WitnessedLogRow).order_by(col(WitnessedLogRow.node), col(WitnessedLogRow.first_at))
    async with store.viewing_few() as tx:
        return await tx.values(WitnessedLog, query)


async def record_witnessed(
    store: SqlStore,
    clock: Clock,
    log: WitnessedLog,
    earlier: WitnessedLog | None,
    news: Sequence[LogNews] = (),
) -> bool:
    """Store a witnessed log in place of what was read of it; False where another process changed it meanwhile."""
    row = WitnessedLogRow.from_value(log)
    async with store.changing_rows() as tx:
        if earlier is None:
            is_stored = await tx.insert_new(row)
        else:
            same = (
                col(WitnessedLogRow.size) == earlier.size,
                col(WitnessedLogRow.said_at) == earlier.said_at,
            )
            is_stored = bool(await tx.update(row, *same))
        if is_stored:
            await _record_events(tx, clock, news)
    return is_stored


async def newest_events(store: SqlStore, subject: str, most: int = 1) -> Sequence[Event]:
    """Return the newest events of the node about a subject, the newest first."""
    query = select(EventRow).where(col(EventRow.agency_id) == NODE, col(EventRow.subject_id) == subject)
    async with store.viewing_few() as tx:
        rows = await tx.rows(EventRow, query.order_by(col(EventRow.position).desc()).limit(most))
    return [to_domain(row) for row in rows]


async def former_keys(store: SqlStore) -> Sequence[NoteKey]:
    """Return the keys with which this node signed checkpoints of its log, as the log tells them, the newest first."""
    events = await newest_events(store, OWN_KEYS, _MOST_CHANGES)
    texts = [text for event in events for text in event.data.get("public_keys", ())]
    return [read_key(text) for text in dict.fromkeys(texts)]


async def record_news(store: SqlStore, clock: Clock, news: LogNews) -> None:
    async with store.changing_rows() as tx:
        await _record_events(tx, clock, [news])


async def _record_events(tx: Transaction, clock: Clock, news: Sequence[LogNews]) -> None:
    if news:
        events = [(entry.subject, entry.kind, entry.data) for entry in news]
        await SqlEvents(tx, NODE_SCOPE, clock).append_all(clock.now(), events)


def day_of(at: datetime) -> date:
    """Return the day of the office; cosignatures are thinned out by it."""
    return local(at).date()
