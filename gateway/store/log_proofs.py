"""Proofs from the sealed log's rows. In: a store, an event or an index, sizes of the tree. Out: leaves as they are kept,
the seals that cover them, and proofs of RFC 6962, each made of some hundred hashes however long the log is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlmodel import col

from gateway.domain import merkle
from gateway.domain.merkle import Node, Span
from gateway.domain.seal import PublishedSeal
from gateway.errors import NotFound
from gateway.store.log import EVERY_LEVEL, NAME, plain_data, seal_of
from gateway.store.log_tables import LogLeafRow, LogNodeRow, LogRow, LogSealRow
from gateway.store.store import SqlStore
from gateway.store.tables import EventRow
from gateway.store.transaction import Transaction

_MOST_KNOWN = 10_000
_STORED = (
    select(
        *(col(LogLeafRow.leaf_index), col(EventRow.id), col(EventRow.data)),
        *(col(LogLeafRow.body), col(LogLeafRow.salts)),
    )
    .join(EventRow, col(LogLeafRow.position) == col(EventRow.position))
    .order_by(col(LogLeafRow.leaf_index))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLeaf:
    """One leaf with what opens the texts beside it: their values in the event, and their salts."""

    index: int
    event_id: str
    body: bytes
    salts: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, object] = field(default_factory=dict)


async def leaves_of(store: SqlStore, agency_id: str, subject_id: str) -> Sequence[StoredLeaf]:
    """The events about one thing, as far as they are in the log, in its order."""
    mine = (col(EventRow.agency_id) == agency_id, col(EventRow.subject_id) == subject_id)
    async with store.reading() as tx:
        rows = await tx.tuples(_STORED.where(*mine))
    return [_leaf(*row) for row in rows]


def _leaf(index: int, event_id: str, data: str, body: str, salts: str | None) -> StoredLeaf:
    opening = json.loads(salts) if salts else {}
    texts = {name: value for name, value in plain_data(data).items() if name in opening}
    return StoredLeaf(index=index, event_id=event_id, body=body.encode("ascii"), salts=opening, texts=texts)


async def leaves_at(store: SqlStore, indexes: Sequence[int]) -> Sequence[StoredLeaf]:
    """These leaves, in the log's order."""
    async with store.reading() as tx:
        rows = await tx.tuples(_STORED.where(col(LogLeafRow.leaf_index).in_(indexes)))
    return [_leaf(*row) for row in rows]


async def seal_covering(store: SqlStore, index: int, *, stamped: bool = False) -> PublishedSeal | None:
    """The first seal that covers this leaf; `stamped` asks for the first one with a timestamp."""
    query = select(LogSealRow).where(col(LogSealRow.tree_size) > index).order_by(col(LogSealRow.number))
    if stamped:
        query = query.where(col(LogSealRow.stamped_at).is_not(None))
    async with store.reading() as tx:
        row = await tx.first(LogSealRow, query)
    return seal_of(row) if row else None


async def seal_numbered(store: SqlStore, number: int | None = None) -> PublishedSeal:
    """The seal with that number, or the newest. NotFound when there is none."""
    query = select(LogSealRow).order_by(col(LogSealRow.number).desc())
    async with store.reading() as tx:
        row = await tx.first(
            LogSealRow, query if number is None else query.where(col(LogSealRow.number) == number)
        )
    if row is None:
        raise NotFound(
            "the log has no such seal; the first one is made within a minute while the node's workers run"
        )
    return seal_of(row)


async def seal_published(store: SqlStore) -> PublishedSeal | None:
    """The newest seal that left the node."""
    last = select(col(LogRow.published_number)).where(col(LogRow.name) == NAME).scalar_subquery()
    async with store.reading() as tx:
        row = await tx.first(LogSealRow, select(LogSealRow).where(col(LogSealRow.number) == last))
    return seal_of(row) if row else None


async def peaks(store: SqlStore, size: int) -> list[bytes]:
    """The hashes of the tree of the first `size` leaves, to go on from there."""
    async with store.reading() as tx:
        return [await _node(tx, each) for each in merkle.complete_subtrees(Span(0, size))]


class Prover:
    """Makes many proofs of one log; what neighbours share is read once."""

    def __init__(self, store: SqlStore) -> None:
        self._store = store
        self._known: dict[Node, bytes] = {}

    async def inclusions(self, indexes: Sequence[int], size: int) -> list[tuple[bytes, ...]]:
        return [await self.hashes(merkle.inclusion_spans(index, size)) for index in indexes]

    async def hashes(self, spans: Sequence[Span]) -> tuple[bytes, ...]:
        wanted = [merkle.complete_subtrees(span) for span in spans]
        missing = {node for nodes in wanted for node in nodes} - self._known.keys()
        if len(self._known) > _MOST_KNOWN:
            missing, self._known = {node for nodes in wanted for node in nodes}, {}
        if missing:
            async with self._store.reading() as tx:
                for node in missing:
                    self._known[node] = await _node(tx, node)
        return tuple(merkle.joined([self._known[node] for node in nodes]) for nodes in wanted)


async def _node(tx: Transaction, node: Node) -> bytes:
    """From the nodes of the nearest level below that is kept."""
    up = node.level % EVERY_LEVEL
    first, count, level = node.place << up, 1 << up, node.level - up
    if level == 0:
        place = col(LogLeafRow.leaf_index)
        query = select(col(LogLeafRow.hash)).where(place >= first, place < first + count).order_by(place)
    else:
        place = col(LogNodeRow.place)
        kept = (col(LogNodeRow.level) == level, place >= first, place < first + count)
        query = select(col(LogNodeRow.hash)).where(*kept).order_by(place)
    found = [hashed for (hashed,) in await tx.tuples(query)]
    if len(found) != count:
        raise NotFound(f"the log does not hold the leaves up to {(node.place + 1 << node.level)}")
    return merkle.root(found)
