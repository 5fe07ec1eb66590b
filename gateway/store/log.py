"""The rows of the sealed log (E1, E2: sealed events). In: numbered events, in batches; signed seals. Out: leaves with dense
indexes, the tree nodes that proofs need, and the state of the log.

Only events with a number are read: the sequencer numbers committed rows alone, so an event that commits late has a later
number and is not missed. The lock on the log's one row is the sealer's lease: it ends with the transaction, also when the
process dies."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Integer, bindparam, func, select, update
from sqlmodel import col

from gateway import random_source
from gateway.domain import sealed_log
from gateway.domain.event import EventKind
from gateway.domain.sealed_log import (
    SALT_BYTES,
    GrowingTree,
    Leaf,
    Logged,
    LogHead,
    PublishedSeal,
    Seal,
    SignedSeal,
)
from gateway.errors import InvalidProof, StoreFailure
from gateway.ports.services import Clock
from gateway.store.events import NODE_SCOPE, SqlEvents
from gateway.store.repository import OwnTransactions
from gateway.store.row import to_json, value_of
from gateway.store.tables_node import EventRow, LogLeafRow, LogNodeRow, LogRow, LogSealRow
from gateway.store.transaction import Open, Transaction

NAME = "event"
# Tree nodes of every eighth level are stored; a proof computes the nodes between them.
EVERY_LEVEL = 8
_HASH_DIGITS = 64
_LOG = select(LogRow).where(col(LogRow.name) == NAME)
_LEASE = _LOG.with_for_update(skip_locked=True)
_STANDS = update(LogRow).where(col(LogRow.name) == NAME)
_BEHIND = (
    select(EventRow)
    .where(col(EventRow.node_seq) > bindparam("last"))
    .order_by(col(EventRow.node_seq))
    .limit(bindparam("most", type_=Integer))
)
_ANY_BEHIND = (
    select(col(EventRow.node_seq))
    .where(
        col(EventRow.node_seq)
        > func.coalesce(select(col(LogRow.last_seq)).where(col(LogRow.name) == NAME).scalar_subquery(), 0)
    )
    .limit(1)
)
_number = col(LogSealRow.number)
# These statements run every few seconds, so they are built once.
_NEWEST = select(LogSealRow).order_by(_number.desc()).limit(1)
_STAMPED = _NEWEST.where(col(LogSealRow.stamped_at).is_not(None))
_SEALED_AFTER = (
    select(LogSealRow).where(_number > bindparam("seal", type_=BigInteger)).order_by(_number).limit(1)
)
_LAST_NUMBER = select(func.max(col(EventRow.node_seq)))
_FIRST_UNSEALED = (
    select(col(EventRow.at))
    .join(LogLeafRow, col(LogLeafRow.position) == col(EventRow.position))
    .where(col(LogLeafRow.leaf_index) == bindparam("sealed", type_=BigInteger))
    .limit(1)
)
_NUMBERED_AFTER = (
    select(col(EventRow.at))
    .where(col(EventRow.node_seq) > bindparam("seq", type_=BigInteger))
    .order_by(col(EventRow.node_seq))
    .limit(1)
)
_UNNUMBERED = (
    select(col(EventRow.at)).where(col(EventRow.node_seq).is_(None)).order_by(col(EventRow.position)).limit(1)
)


class SqlEventLog(OwnTransactions):
    """Database access to the one sealed log of this node's events. Several processes may use it at the same time."""

    def __init__(self, writing: Open, reading: Open, looking: Open, asking: Open) -> None:
        """Take functions that open transactions; `looking` is for reading few rows, `asking` for a single query."""
        super().__init__(writing, reading)
        self._looking, self._asking = looking, asking

    async def grow(self, limit: int) -> int:
        """Append up to `limit` numbered events to the log as leaves, each once, in the order of their numbers; return how
        many. Return 0 also while another process appends. The leaves are committed on return."""
        async with self._asking() as tx:
            if not await tx.tuples(_ANY_BEHIND):
                return 0
        async with self._changing() as tx:
            return await _grow(tx, limit)

    async def head(self) -> LogHead:
        async with self._looking() as tx:
            return await head(tx)

    async def keep(self, signed: SignedSeal) -> bool:
        """Insert the row of the next seal. Return False, and change nothing, when a seal with its number exists."""
        body = signed.to_bytes().decode("ascii")
        row = LogSealRow.from_value(signed.seal, body=body, stamp=None, stamped_at=None)
        async with self._changing() as tx:
            return await tx.insert_new(row)

    async def stamp(self, seal: Seal, token: bytes, at: datetime, clock: Clock) -> None:
        """Store the timestamp token of a seal, which proves the time `at`, with an event that names its digest: so the next
        seals cover the timestamps, too. A token stored before stays."""
        statement = update(LogSealRow).where(_number == seal.number, col(LogSealRow.stamp).is_(None))
        data = {"seal": seal.number, "size": seal.tree_size, "root": seal.root.hex(), "at": at.isoformat()}
        data["token"] = hashlib.sha256(token).hexdigest()
        async with self._changing() as tx:
            if await tx.change(statement.values(stamp=token, stamped_at=at)):
                events = SqlEvents(tx, NODE_SCOPE, clock)
                await events.append(EventKind.LOG_STAMPED, f"seal:{seal.number}", clock.now(), data)

    async def record_published(self, number: int, at: datetime) -> None:
        """Record that seal `number` was published outside the node, unless a newer seal was published before."""
        last = col(LogRow.published_number)
        statement = update(LogRow).where(col(LogRow.name) == NAME, last.is_(None) | (last <= number))
        await self._change(statement.values(published_number=number, published_at=at))


async def _grow(tx: Transaction, limit: int) -> int:
    """Append numbered events as leaves in this transaction, under the log's lease; return how many."""
    row = await tx.first(LogRow, _LEASE)
    if row is None:
        await tx.insert_new(
            LogRow(name=NAME, log_id=random_source.random_16().hex(), size=0, last_seq=0, peaks="")
        )
        row = await tx.first(LogRow, _LEASE)
    if row is None:
        return 0
    events = await tx.rows(EventRow, _BEHIND, last=row.last_seq, most=limit)
    if not events:
        return 0
    tree = load_tree(row)
    leaves, nodes = [], []
    for event in events:
        leaf = sealed_log.write_leaf(to_logged(event), _salt)
        leaf_hash = leaf.hash
        leaves.append(_leaf_row(tree.size, event, leaf, leaf_hash))
        nodes += [
            LogNodeRow(level=node.level, place=node.place, hash=hashed)
            for node, hashed in tree.add(leaf_hash)
            if node.level and node.level % EVERY_LEVEL == 0
        ]
    tx.insert(*leaves)
    tx.insert(*nodes)
    new_columns = {"size": tree.size, "last_seq": events[-1].node_seq, "peaks": b"".join(tree.peaks).hex()}
    tx.change_later(_STANDS, **new_columns)
    return len(events)


def _salt() -> bytes:
    return (random_source.random_16() + random_source.random_16())[:SALT_BYTES]


def _leaf_row(index: int, event: EventRow, leaf: Leaf, leaf_hash: bytes) -> LogLeafRow:
    return LogLeafRow(
        leaf_index=index,
        position=event.position or 0,
        hash=leaf_hash,
        body=leaf.body.decode("ascii"),
        salts=to_json(dict[str, str], dict(leaf.salts)) if leaf.salts else None,
    )


def to_logged(row: EventRow) -> Logged:
    """Convert an event's row, of any kind, to the form that is written into a leaf."""
    return value_of(Logged, row, data=plain_data(row.data), node_seq=row.node_seq or 0)


def plain_data(text: str) -> dict[str, Any]:
    """Parse an event's JSON data. Unreadable text becomes a value, so that one damaged row does not stop the sealing."""
    try:
        decoded = _PLAIN.decode(text)
    except (ValueError, TypeError, RecursionError):
        decoded = None
    return decoded if isinstance(decoded, dict) else {"unreadable": str(text)}


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number that can be kept")


_PLAIN = json.JSONDecoder(parse_constant=_refuse)


def load_tree(row: LogRow) -> GrowingTree:
    """Rebuild the growing tree from the log's row. StoreFailure when the row does not fit the tree's size."""
    text, fault = row.peaks, "the log's own row does not fit its size; examine it with: gateway audit verify"
    try:
        peaks = [bytes.fromhex(text[at : at + _HASH_DIGITS]) for at in range(0, len(text), _HASH_DIGITS)]
        fits = len(peaks) == row.size.bit_count()
    except (ValueError, TypeError, AttributeError) as cause:
        raise StoreFailure(fault) from cause
    if not fits:
        raise StoreFailure(fault)
    return GrowingTree(size=row.size, peaks=peaks)


async def head(tx: Transaction) -> LogHead:
    """Return the log's state as this transaction sees it: size, root, newest seals, and since when events or seals wait."""
    rows, newests, stampeds, ((last,),), unnumbered = await tx.find_all(
        (_LOG, {}), (_NEWEST, {}), (_STAMPED, {}), (_LAST_NUMBER, {}), (_UNNUMBERED, {})
    )
    row: LogRow | None = rows[0] if rows else None
    newest: LogSealRow | None = newests[0] if newests else None
    stamped: LogSealRow | None = stampeds[0] if stampeds else None
    waiting, no_leaf, no_seal = await tx.find_all(
        (_SEALED_AFTER, {"seal": stamped.number if stamped else 0}),
        (_NUMBERED_AFTER, {"seq": row.last_seq if row else 0}),
        (_FIRST_UNSEALED, {"sealed": newest.tree_size if newest else 0}),
    )
    unsealed = min((at for group in (no_seal, no_leaf, unnumbered) for (at,) in group), default=None)
    if row is not None and newest is not None and row.last_seq > (last or 0):
        # The log's row was set past the last event, so new events are never sealed: report that as waiting.
        unsealed = newest.at
    times = (waiting[0].at if waiting else None, unsealed)
    return LogHead(
        log_id=row.log_id if row else "",
        size=row.size if row else 0,
        root=load_tree(row).root() if row else b"",
        seal=seal_of(newest) if newest else None,
        stamped=seal_of(stamped) if stamped else None,
        unsealed_since=unsealed,
        unstamped_since=min((at for at in times if at is not None), default=None),
        published_at=row.published_at if row else None,
    )


def seal_of(row: LogSealRow) -> PublishedSeal:
    """Parse the seal in a row. InvalidProof when the row was changed so that it holds no seal."""
    try:
        body = row.body.encode("latin-1", "replace")
        return sealed_log.read_seal(
            body + (sealed_log.stamp_line(row.stamp) if row.stamp is not None else b"")
        )
    except (TypeError, AttributeError) as cause:  # a column of SQLite takes values of any type
        raise InvalidProof(f"the row of seal {row.number} holds no seal") from cause
