"""What whoever looks after the node sees of work that does not go on by itself, of every agency: packets put aside, packets
that were tried in vain. In: the store. Out: rows, bounded; or one packet that is due at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, text, update
from sqlmodel import col

from gateway import errors
from gateway.ports.rows import InboxItem, OutboxItem
from gateway.store import outbox
from gateway.store.inbox_rows import to_domain
from gateway.store.store import SqlStore
from gateway.store.tables import InboxRow, OutboxRow

ASIDE = ("held", "waiting", "quarantined", "malformed")
_IN, _OUT = InboxRow, OutboxRow
_SQLITE_SIZE = text("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
_SERVER_SIZE = text("SELECT pg_database_size(current_database())")


async def aside(store: SqlStore, agency_id: str, limit: int) -> Sequence[InboxItem]:
    """Oldest first; of every agency for the empty id."""
    query = select(_IN).where(col(_IN.state).in_(ASIDE))
    if agency_id:
        query = query.where(col(_IN.agency_id) == agency_id)
    async with store.reading() as tx:
        rows = await tx.rows(_IN, query.order_by(col(_IN.received_at), col(_IN.id)).limit(limit))
    return [to_domain(row, row.attempts) for row in rows]


async def packet(store: SqlStore, agency_id: str, id: str) -> InboxItem:
    """Whatever became of it; in every agency for the empty id."""
    query = select(_IN).where(col(_IN.id) == id)
    if agency_id:
        query = query.where(col(_IN.agency_id) == agency_id)
    async with store.reading() as tx:
        row = await tx.first(_IN, query)
    if row is None:
        raise errors.NotFound(f"there is no packet {id[:80]}")
    return to_domain(row, row.attempts)


async def tries(store: SqlStore, limit: int) -> Sequence[OutboxItem]:
    """Tried and not through: those that will be tried again, the next first, then those that will not."""
    tried = (col(_OUT.attempts) > 0, col(_OUT.state).in_((outbox.WAITING, outbox.FAILED)))
    order = (col(_OUT.state).desc(), col(_OUT.not_before), col(_OUT.created_at), col(_OUT.id))
    async with store.reading() as tx:
        rows = await tx.rows(_OUT, select(_OUT).where(*tried).order_by(*order).limit(limit))
    return [outbox.to_domain(row, row.attempts) for row in rows]


async def hurry(store: SqlStore, id: str, now: datetime) -> OutboxItem:
    """Due at once. NotFound when it does not wait."""
    this = (col(_OUT.id) == id, outbox.is_open())
    async with store.writing() as tx:
        if not await tx.change(update(_OUT).where(*this).values(not_before=now)):
            raise errors.NotFound(f"no packet {id[:80]} waits to be tried again")
        row = await tx.first(_OUT, select(_OUT).where(col(_OUT.id) == id))
        await tx.commit()
    if row is None:
        raise errors.NotFound(f"there is no packet {id[:80]}")
    return outbox.to_domain(row, row.attempts)


async def faults(store: SqlStore, limit: int) -> Sequence[tuple[datetime, str, str]]:
    """What went wrong last with packets of either direction: when, in which queue, and what was said; newest first."""
    failed = select(_OUT).where(col(_OUT.state).in_((outbox.WAITING, outbox.FAILED)), col(_OUT.attempts) > 0)
    refused = select(_IN).where(col(_IN.state).in_(ASIDE))
    async with store.reading() as tx:
        out = await tx.rows(_OUT, failed.order_by(col(_OUT.created_at).desc()).limit(limit))
        inn = await tx.rows(_IN, refused.order_by(col(_IN.received_at).desc()).limit(limit))
    told = [(row.settled_at or row.created_at, "outbox", row.last_error or "") for row in out]
    told += [(row.settled_at or row.received_at, "inbox", row.code or row.last_error or "") for row in inn]
    return sorted(told, key=lambda each: each[0], reverse=True)[:limit]


async def size(store: SqlStore) -> int:
    """Of the whole database, in bytes."""
    asked = _SQLITE_SIZE if store.writer.dialect.name == "sqlite" else _SERVER_SIZE
    async with store.reading() as tx:
        return int((await tx.tuples(asked))[0][0])
