"""Reading of the sealed log: to examine it, to prove an event, or to search for one. In: a store, a position; an event,
an index or a filter; sizes of the tree. Out: leaves with their events, events with their place in the log, seals,
events that should be leaves and are not; proofs of RFC 6962, each made of some hundred hashes however long the log is.

Each batch is read in a transaction of its own: sealed rows do not change, and a long transaction would hold up the
database. Texts that people wrote are deleted, with their salts, where the law demands it; the leaves stay valid, because
they hold only salted digests of such texts."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    String,
    and_,
    bindparam,
    exists,
    false,
    func,
    or_,
    select,
    type_coerce,
    update,
)
from sqlmodel import col

from gateway.domain import sealed_log
from gateway.domain.account import AgencyScope
from gateway.domain.event import EventKind
from gateway.domain.sealed_log import EMPTY_ROOT, LeafSpan, Logged, PublishedSeal, TreeNode
from gateway.errors import Clash, NotFound, StoreFailure
from gateway.ports.services import Clock
from gateway.store.events import NODE, SqlEvents
from gateway.store.figures import freeze_texts
from gateway.store.log import EVERY_LEVEL, NAME, load_tree, plain_data, seal_of, to_logged
from gateway.store.store import SqlStore
from gateway.store.tables_node import EventRow, LogLeafRow, LogNodeRow, LogRow, LogSealRow
from gateway.store.transaction import Transaction

_INDEX, _NUMBER, _SEQ = col(LogLeafRow.leaf_index), col(LogSealRow.number), col(EventRow.node_seq)
_MOST_NODES = 10_000
# A list of instances looks no further back, so that it takes seconds in a log of any size.
MOST_LEAVES = 1_000_000
_STORED = (
    select(
        col(LogLeafRow.leaf_index),
        col(EventRow.id),
        col(EventRow.data),
        col(LogLeafRow.body),
        col(LogLeafRow.salts),
    )
    .join(EventRow, col(LogLeafRow.position) == col(EventRow.position))
    .order_by(col(LogLeafRow.leaf_index))
)
_FIRST, _BEHIND = bindparam("first", type_=BigInteger), bindparam("behind", type_=BigInteger)
_LEAF_HASHES = select(col(LogLeafRow.hash)).where(_INDEX >= _FIRST, _INDEX < _BEHIND).order_by(_INDEX)
_PLACE = col(LogNodeRow.place)
_NODE_HASHES = (
    select(col(LogNodeRow.hash))
    .where(col(LogNodeRow.level) == bindparam("level"), _PLACE >= _FIRST, _PLACE < _BEHIND)
    .order_by(_PLACE)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogStanding:
    """State of the log: its own row, and the number of leaves, seals and events that are no leaf yet (`fresh`). `root` is
    empty when the row's peaks do not fit its size."""

    log_id: str
    size: int
    last_seq: int
    root: bytes
    leaves: int
    seals: int
    fresh: int
    published_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafWithEvent:
    """One leaf of the log with its event; `event` is None when the event's row is gone."""

    index: int
    hash: bytes
    body: bytes
    salts: Mapping[str, str]
    event: Logged | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadSeal:
    """Row of one seal; `body` and `stamp` are not parsed yet."""

    number: int
    tree_size: int
    body: bytes
    stamp: bytes | None


async def standing(store: SqlStore) -> LogStanding:
    """Return the state of the log. Leaves are counted by their last index, seals by their last number."""
    async with store.reading() as tx:
        row = await tx.first(LogRow, select(LogRow).where(col(LogRow.name) == NAME))
        last_leaf = await tx.scalar(select(func.max(_INDEX)))
        last_seal = await tx.scalar(select(func.max(_NUMBER)))
        last_seq = row.last_seq if row else 0
        counted = select(func.count()).select_from(EventRow)
        later_count = await tx.scalar(counted.where(last_seq < _SEQ))
        unnumbered = await tx.scalar(counted.where(_SEQ.is_(None)))
    return LogStanding(
        log_id=row.log_id if row else "",
        size=row.size if row else 0,
        last_seq=last_seq,
        root=_root(row),
        leaves=last_leaf + 1 if last_leaf is not None else 0,
        seals=last_seal or 0,
        fresh=later_count + unnumbered,
        published_at=row.published_at if row else None,
    )


def _root(row: LogRow | None) -> bytes:
    try:
        return load_tree(row).root() if row is not None else EMPTY_ROOT
    except StoreFailure:
        return b""


async def leaves(store: SqlStore, start: int, limit: int) -> list[LeafWithEvent]:
    """Return up to `limit` leaves from index `start` on, in order, each with its event."""
    table = (col(LogLeafRow.hash), col(LogLeafRow.body), col(LogLeafRow.salts))
    event = (
        # Times are read as stored text: a value that was tampered with may not parse as a time.
        col(EventRow.id),
        col(EventRow.kind),
        type_coerce(EventRow.at, String),
        col(EventRow.agency_id),
        col(EventRow.subject_id),
        col(EventRow.principal_id),
        col(EventRow.data),
        col(EventRow.node_seq),
        col(EventRow.agency_seq),
    )
    query = select(_INDEX, *table, col(EventRow.position), *event).outerjoin(
        EventRow, col(EventRow.position) == col(LogLeafRow.position)
    )
    async with store.reading() as tx:
        rows = await tx.tuples(query.where(start <= _INDEX).order_by(_INDEX).limit(limit))
    return [
        LeafWithEvent(
            index=row[0],
            hash=_bytes(row[1]),
            body=_bytes(row[2]),
            salts=_salts(row[3]),
            event=_event(row[5:]) if row[4] is not None else None,
        )
        for row in rows
    ]


def _event(row: Sequence[object]) -> Logged:
    names = ("id", "kind", "at", "agency_id", "subject_id", "principal_id", "data", "node_seq", "agency_seq")
    fields: dict[str, Any] = dict(zip(names, row, strict=True))
    fields |= {"at": _moment(fields["at"]), "data": plain_data(fields["data"])}
    return Logged(**fields)


def _moment(stored: object) -> datetime:
    """Parse a stored time; an unreadable one becomes the earliest possible time, which no event has."""
    try:
        at = stored if isinstance(stored, datetime) else datetime.fromisoformat(str(stored))
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return datetime.min.replace(tzinfo=UTC)


def _bytes(stored: object) -> bytes:
    """Return a column's value as bytes; SQLite allows a text in a column of bytes, which is encoded."""
    if isinstance(stored, bytes):
        return stored
    return str(stored).encode("utf-8", "surrogatepass")


def _salts(text: str | None) -> Mapping[str, str]:
    """Parse a leaf's salts by name; empty when unreadable, so that verification reports their texts as changed."""
    try:
        salts = json.loads(text) if text else {}
    except (ValueError, TypeError, RecursionError):
        return {}
    return salts if isinstance(salts, dict) else {}


async def strays(store: SqlStore, after_seq: int, upto: int, limit: int) -> Sequence[tuple[int, str]]:
    """Return number and id of events without a leaf whose number is after `after_seq` and at most `upto`. Where the log
    has passed these numbers, such events were never sealed."""
    # A leaf with a negative index is in no tree, so it does not count.
    leaf = exists().where(col(LogLeafRow.position) == col(EventRow.position), _INDEX >= 0)
    query = select(_SEQ, col(EventRow.id)).where(after_seq < _SEQ, upto >= _SEQ, ~leaf)
    async with store.reading() as tx:
        return [(seq, id) for seq, id in await tx.tuples(query.order_by(_SEQ).limit(limit))]


async def seals(store: SqlStore, after_number: int, limit: int) -> list[UnreadSeal]:
    """Return up to `limit` seals with a number after `after_number`, in order."""
    columns = (
        _NUMBER,
        *(col(column) for column in (LogSealRow.tree_size, LogSealRow.body, LogSealRow.stamp)),
    )
    query = select(*columns).where(after_number < _NUMBER).order_by(_NUMBER).limit(limit)
    async with store.reading() as tx:
        return [
            UnreadSeal(
                number=row.number,
                tree_size=row.tree_size,
                body=_bytes(row.body),
                stamp=_bytes(row.stamp) if row.stamp is not None else None,
            )
            for row in await tx.tuples(query)
        ]


async def nodes(store: SqlStore, tree_nodes: Sequence[TreeNode]) -> Mapping[TreeNode, bytes]:
    """Return the stored hashes of these tree nodes; a node that is not stored is left out."""
    level, place = col(LogNodeRow.level), col(LogNodeRow.place)
    # One condition for each level: for a list of pairs SQLite would scan the whole table.
    of_level: dict[int, list[int]] = {}
    for node in tree_nodes:
        of_level.setdefault(node.level, []).append(node.place)
    conditions = (and_(level == number, place.in_(places)) for number, places in of_level.items())
    query = select(level, place, col(LogNodeRow.hash)).where(or_(false(), *conditions))
    async with store.reading() as tx:
        return {TreeNode(row[0], row[1]): _bytes(row[2]) for row in await tx.tuples(query)}


async def erasures(store: SqlStore, events: Collection[Logged]) -> set[tuple[str, str]]:
    """Return which texts of these events were deleted by a recorded decision, as pairs of event id and text name."""
    agency, subject = col(EventRow.agency_id), col(EventRow.subject_id)
    query = select(subject, col(EventRow.data)).where(
        col(EventRow.kind) == EventKind.LOG_ERASED.value,
        agency.in_({event.agency_id for event in events}),
        subject.in_({event.id for event in events}),
    )
    async with store.reading() as tx:
        rows = await tx.tuples(query)
    return {(id, str(name)) for id, data in rows for name in plain_data(data).get("names", ())}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLeaf:
    """One leaf with the texts that it holds salted digests of: their values, taken from the event, and their salts."""

    index: int
    event_id: str
    body: bytes
    salts: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, object] = field(default_factory=dict)


async def leaves_of(store: SqlStore, agency_id: str, subject_id: str) -> Sequence[StoredLeaf]:
    """Return the leaves of events about one subject, in the log's order."""
    mine = (col(EventRow.agency_id) == agency_id, col(EventRow.subject_id) == subject_id)
    return await _stored_leaves(store, *mine)


async def _stored_leaves(store: SqlStore, *conditions: ColumnElement[bool]) -> Sequence[StoredLeaf]:
    async with store.reading() as tx:
        rows = await tx.tuples(_STORED.where(*conditions))
    return [_leaf(*row) for row in rows]


def _leaf(index: int, event_id: str, event_data: str, body: str, salts: str | None) -> StoredLeaf:
    salt_by_name = json.loads(salts) if salts else {}
    texts = {name: value for name, value in plain_data(event_data).items() if name in salt_by_name}
    return StoredLeaf(
        index=index, event_id=event_id, body=body.encode("ascii"), salts=salt_by_name, texts=texts
    )


async def leaves_at(store: SqlStore, indexes: Sequence[int]) -> Sequence[StoredLeaf]:
    """Return the leaves with these indexes, in the log's order."""
    return await _stored_leaves(store, col(LogLeafRow.leaf_index).in_(indexes))


async def seal_covering(store: SqlStore, index: int, *, stamped: bool = False) -> PublishedSeal | None:
    """Return the first seal whose tree contains the leaf `index`, or with `stamped` the first such seal that also has a
    timestamp; None when there is none yet."""
    query = select(LogSealRow).where(col(LogSealRow.tree_size) > index).order_by(col(LogSealRow.number))
    if stamped:
        query = query.where(col(LogSealRow.stamped_at).is_not(None))
    return await _seal(store, query)


async def seal_numbered(store: SqlStore, number: int | None = None) -> PublishedSeal:
    """Return the seal with that number, or the newest seal for None. NotFound when there is none."""
    query = select(LogSealRow).order_by(_NUMBER.desc())
    seal = await _seal(store, query if number is None else query.where(col(LogSealRow.number) == number))
    if seal is None:
        raise NotFound(
            "the log has no such seal; the first one is made within a minute while the node's workers run"
        )
    return seal


async def seal_newest(store: SqlStore, *, stamped: bool = False) -> PublishedSeal | None:
    """Return the newest seal, or with `stamped` the newest that has a timestamp; None when there is none yet."""
    query = select(LogSealRow).order_by(_NUMBER.desc())
    return await _seal(store, query.where(col(LogSealRow.stamped_at).is_not(None)) if stamped else query)


async def seal_before(store: SqlStore, moment: datetime) -> PublishedSeal | None:
    """Return the newest seal up to that moment, or the first one if all are later; None when there is none."""
    at, query = col(LogSealRow.at), select(LogSealRow)
    seal = await _seal(store, query.where(at <= moment).order_by(_NUMBER.desc()))
    return seal or await _seal(store, query.order_by(_NUMBER))


async def seal_published(store: SqlStore) -> PublishedSeal | None:
    """Return the newest seal that was published outside the node; None when none was."""
    last = select(col(LogRow.published_number)).where(col(LogRow.name) == NAME).scalar_subquery()
    return await _seal(store, select(LogSealRow).where(col(LogSealRow.number) == last))


async def _seal(store: SqlStore, query: Select[Any]) -> PublishedSeal | None:
    async with store.reading() as tx:
        return await tx.value(seal_of, query)


async def peaks(store: SqlStore, size: int) -> list[bytes]:
    """Return the hashes of the complete subtrees over the first `size` leaves, from which the tree can grow on."""
    async with store.reading() as tx:
        return [await _node(tx, node) for node in sealed_log.complete_subtrees(LeafSpan(0, size))]


class Prover:
    """Maker of inclusion proofs for one log. It caches node hashes, because proofs of neighbouring leaves share them."""

    def __init__(self, store: SqlStore) -> None:
        self._store = store
        self._hashes: dict[TreeNode, bytes] = {}

    async def inclusions(self, indexes: Sequence[int], size: int) -> list[tuple[bytes, ...]]:
        """Return for each leaf the proof that it is in the tree of the first `size` leaves."""
        return [await self.hashes(sealed_log.inclusion_spans(index, size)) for index in indexes]

    async def hashes(self, spans: Sequence[LeafSpan]) -> tuple[bytes, ...]:
        """Return the root hash of the tree over each of these spans of leaves."""
        nodes_by_span = [sealed_log.complete_subtrees(span) for span in spans]
        missing = {node for nodes in nodes_by_span for node in nodes} - self._hashes.keys()
        if len(self._hashes) > _MOST_NODES:
            missing, self._hashes = {node for nodes in nodes_by_span for node in nodes}, {}
        if missing:
            async with self._store.reading() as tx:
                for node in sorted(missing):
                    self._hashes[node] = await _node(tx, node)
        return tuple(
            sealed_log.joined_root([self._hashes[node] for node in nodes]) for nodes in nodes_by_span
        )


async def _node(tx: Transaction, node: TreeNode) -> bytes:
    """Compute the hash of a tree node from the nearest stored level at or below it. NotFound when leaves are missing."""
    height = node.level % EVERY_LEVEL
    first, count, level = node.place << height, 1 << height, node.level - height
    values = {"first": first, "behind": first + count} | ({"level": level} if level else {})
    rows = await tx.tuples(_NODE_HASHES if level else _LEAF_HASHES, **values)
    hashes = [hashed for (hashed,) in rows]
    if len(hashes) != count:
        raise NotFound(f"the log does not hold the leaves up to {(node.place + 1 << node.level)}")
    return sealed_log.tree_root(hashes)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Filter of events; a field that is None matches every event. `kind` may end in `*` for all kinds that begin so;
    `since` is inclusive, `ends_before` exclusive."""

    kind: str | None = None
    subject_id: str | None = None
    principal_id: str | None = None
    agency_id: str | None = None
    event_id: str | None = None
    since: datetime | None = None
    ends_before: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One event that a search found; `leaf` is the index of its leaf, None while the event is not in the log."""

    position: int
    event: Logged
    leaf: int | None


async def search_log(
    store: SqlStore,
    search: EventFilter,
    *,
    limit: int,
    after_position: int = 0,
    newest: bool = False,
    sealed: int = 0,
    before_position: int | None = None,
    within: Sequence[str] = (),
    also_about: Sequence[str] = (),
) -> Sequence[Hit]:
    """Return up to `limit` events that match the filter, in ascending order: the first after `after_position`, or with
    `newest` the last ones, before `before_position` where that is given. With `sealed`, only events whose leaf lies within
    that tree size, and positions are leaf indexes (`after_position` is then inclusive). `within` restricts the kinds, which
    may end in `*`. `also_about` adds to an agency's own events the node's events about these subjects."""
    index = col(LogLeafRow.leaf_index)
    query = select(EventRow, index).outerjoin(LogLeafRow, col(LogLeafRow.position) == col(EventRow.position))
    place: Any = index if sealed else col(EventRow.position)
    query = (
        query.where(index < sealed, index >= after_position)
        if sealed
        else query.where(place > after_position)
    )
    if before_position is not None:
        query = query.where(place < before_position)
    if within:
        query = query.where(or_(*(_of_kind(kind) for kind in within)))
    async with store.reading() as tx:
        rows = await tx.tuples(
            query.where(*_among(search, also_about)).order_by(place.desc() if newest else place).limit(limit)
        )
    hits = [Hit(position=row.position, event=to_logged(row), leaf=row.leaf_index) for row in rows]
    return hits[::-1] if newest else hits


async def newest_of_kinds(store: SqlStore, kinds: Collection[str], limit: int) -> Sequence[Hit]:
    """Return the last `limit` events of each kind, newest first, whose leaf is below the newest seal and among the last
    million leaves."""
    seal, kind = await seal_newest(store), col(EventRow.kind)
    sealed = seal.signed.seal.tree_size if seal is not None else 0
    place = func.row_number().over(partition_by=kind, order_by=_INDEX.desc()).label("place")
    joined = col(LogLeafRow.position) == col(EventRow.position)
    within = (kind.in_(kinds), sealed > _INDEX, max(sealed - MOST_LEAVES, 0) <= _INDEX)
    ranked = select(_INDEX, place).join(EventRow, joined).where(*within).subquery()
    query = select(EventRow, _INDEX).join(LogLeafRow, joined).join(ranked, ranked.c.leaf_index == _INDEX)
    async with store.reading() as tx:
        rows = await tx.tuples(query.where(ranked.c.place <= limit).order_by(_INDEX.desc()))
    return [Hit(position=row.position, event=to_logged(row), leaf=row.leaf_index) for row in rows]


def _among(search: EventFilter, also_about: Sequence[str]) -> list[ColumnElement[bool]]:
    """Return the SQL conditions of the filter."""
    at = col(EventRow.at)
    parts: list[ColumnElement[bool]] = []
    if search.kind is not None:
        parts.append(_of_kind(search.kind))
    for column, value in (
        (col(EventRow.subject_id), search.subject_id),
        (col(EventRow.principal_id), search.principal_id),
        (col(EventRow.id), search.event_id),
    ):
        if value is not None:
            parts.append(column == value)
    if search.agency_id is not None:
        of_agency = col(EventRow.agency_id) == search.agency_id
        node_events = and_(col(EventRow.agency_id) == NODE, col(EventRow.subject_id).in_(also_about))
        parts.append(or_(of_agency, node_events) if also_about else of_agency)
    if search.since is not None:
        parts.append(at >= search.since)
    if search.ends_before is not None:
        parts.append(at < search.ends_before)
    return parts


def _of_kind(text: str) -> ColumnElement[bool]:
    start, star, _ = text.partition("*")
    kind = col(EventRow.kind)
    return kind.startswith(start, autoescape=True) if star else kind == text


async def erase_texts(
    store: SqlStore, clock: Clock, event_id: str, names: Sequence[str], principal_id: str, why: str
) -> Sequence[str]:
    """Delete the named texts of an event with their salts, or all of them when `names` is empty, and record an event about
    it; return their names. Clash for a text that the leaf itself contains, and while the event is no leaf yet."""
    async with store.changing_rows() as tx:
        event = await tx.first(EventRow, tx.lock_rows(select(EventRow).where(col(EventRow.id) == event_id)))
        if event is None:
            raise NotFound(f"there is no event {event_id}", hint="find it with: gateway audit search")
        leaf = await _leaf_of(tx, event)
        salts = json.loads(leaf.salts) if leaf.salts else {}
        chosen = sorted(names or salts)
        _check_erasable(event_id, chosen, salts)
        data = plain_data(event.data)
        frozen = await freeze_texts(tx, event, {name: data[name] for name in chosen})
        kept_data = {name: value for name, value in data.items() if name not in chosen}
        kept_salts = {name: salt for name, salt in salts.items() if name not in chosen}
        is_event = col(EventRow.position) == event.position
        await tx.change(
            update(EventRow).where(is_event).values(data=json.dumps(kept_data, ensure_ascii=False))
        )
        leaf_update = update(LogLeafRow).where(col(LogLeafRow.leaf_index) == leaf.leaf_index)
        await tx.change(leaf_update.values(salts=json.dumps(kept_salts) if kept_salts else None))
        scope = AgencyScope(agency_id=event.agency_id, principal_id=principal_id)
        facts = {"names": chosen, "reason": why} | ({"figures": frozen} if frozen else {})
        await SqlEvents(tx, scope, clock).append(EventKind.LOG_ERASED, event_id, clock.now(), facts)
    return chosen


async def _leaf_of(tx: Transaction, event: EventRow) -> LogLeafRow:
    query = select(LogLeafRow).where(col(LogLeafRow.position) == event.position)
    leaf = await tx.first(LogLeafRow, tx.lock_rows(query))
    if leaf is None:
        raise Clash(f"{event.id} is not in the log yet; it is within a minute while the node's workers run")
    return leaf


def _check_erasable(event_id: str, chosen: Sequence[str], salts: dict[str, str]) -> None:
    inside = sorted(set(chosen) - salts.keys())
    if inside or not chosen:
        has = ", ".join(sorted(salts)) or "none"
        raise Clash(
            f"{event_id} has no text {', '.join(inside)} that can be deleted; it has: {has}"
            if inside
            else f"{event_id} has no text that can be deleted"
        )
