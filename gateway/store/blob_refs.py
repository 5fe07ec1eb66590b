"""Who needs which content. In: a digest and its owner, in the owner's transaction, and the bytes of what is small. Out:
whether this agency may read it, and those bytes. Letting go of the last owner deletes nothing by itself: the sweeper does,
later. What is small is written when the transaction ends, all of it in one call a table, or before anybody here asks.

Small content has one row: its bytes, and its first owner. Every further owner is a row of `blob_ref`, and so is each owner
of what is large or was there already. An owner may be in both places."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    and_,
    bindparam,
    delete,
    exists,
    func,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.sql.dml import Insert
from sqlmodel import col

from gateway import errors
from gateway.domain.hold import OWNER as HOLD
from gateway.domain.identity import Digest
from gateway.store.pending_writes import RowInsert, Values, insert_of, table_of
from gateway.store.repository import WatchedRows
from gateway.store.row import among
from gateway.store.tables import HEAD, BlobRefRow, BlobRow
from gateway.store.transaction import Transaction

_B, _R = BlobRow, BlobRefRow
_Owners = type[BlobRow] | type[BlobRefRow]
_Says = Callable[[_Owners], Sequence[ColumnElement[bool]]]
_OWNER = ("agency_id", "owner_kind", "owner_id")


def _owner(owner: _Owners) -> Sequence[ColumnElement[bool]]:
    return (
        col(owner.agency_id) == bindparam("agency"),
        col(owner.owner_kind) == bindparam("kind"),
        col(owner.owner_id) == bindparam("owner"),
    )


def _reader(owner: _Owners) -> Sequence[ColumnElement[bool]]:
    return col(owner.agency_id) == bindparam("agency"), col(owner.owner_kind) != HOLD


def _owned_by(says: _Says) -> ColumnElement[bool]:
    """Whether one of a content's owners is such."""
    return or_(and_(*says(_B)), exists().where(col(_R.digest) == col(_B.digest), *says(_R)))


_DIGEST = col(_B.digest) == bindparam("digest")
_HELD = select(col(_B.digest)).where(_DIGEST, _owned_by(_reader))
_READABLE = select(col(_B.body)).where(_DIGEST, _owned_by(_reader))
_READABLE_EACH = select(col(_B.digest), col(_B.body)).where(
    among(col(_B.digest), "digests"), _owned_by(_reader)
)
_FROZEN = select(col(_B.body)).where(_DIGEST, _owned_by(_owner))
# By the index of owners, which `_owned_by` would not use.
_OF = union_all(
    select(col(_B.digest), col(_B.size)).where(*_owner(_B)),
    select(col(_B.digest), col(_B.size)).join(_R, col(_R.digest) == col(_B.digest)).where(*_owner(_R)),
)
_OWNERS: CompoundSelect[str, str, str] = union_all(
    select(col(_B.agency_id), col(_B.owner_kind), col(_B.owner_id)).where(
        _DIGEST, col(_B.agency_id).is_not(None)
    ),
    select(col(_R.agency_id), col(_R.owner_kind), col(_R.owner_id)).where(
        col(_R.digest) == bindparam("digest")
    ),
)
_DROP_FURTHER = delete(_R).where(*_owner(_R))
# In the order in which content is kept, so that units on a server never wait for each other in a circle.
_DROP_FIRST = (
    update(_B)
    .where(
        col(_B.digest).in_(
            select(col(_B.digest)).where(*_owner(_B)).order_by(col(_B.digest)).with_for_update(key_share=True)
        )
    )
    .values(dict.fromkeys(_OWNER))
)
_WHOLE = update(_B).where(col(_B.digest) == bindparam("this"))


class _ContentInsert(RowInsert):
    """Small content with whoever keeps it as its owner. A row that is there stays as it is: it has an owner, and the same
    bytes. One without an owner gets this one, and its day to be swept begins anew. Bytes that were hashed a moment ago take
    the place of others, which may have been damaged since."""

    __slots__ = ()

    def settled(self, insert: Any) -> Insert:
        """Any: as in `RowInsert.settled`."""
        there, given = table_of(_B).c, insert.excluded
        put = {name: given[name] for name in self.over}
        put |= {name: func.coalesce(there[name], given[name]) for name in _OWNER}
        made: Insert = insert.on_conflict_do_update(
            index_elements=["digest"],
            set_=put,
            where=or_(there.agency_id.is_(None), there.body.is_distinct_from(given.body)),
        )
        return made

    def last_of_each(self, rows: Sequence[Values]) -> Sequence[Values]:
        """By digest, for the reason above."""
        return sorted(super().last_of_each(rows), key=itemgetter("digest"))


class _OwnerInsert(RowInsert):
    """Owners of content that was written before, but for those who stand in its own row. On a server, where a call
    costs more than a row, both are written by one call, in which this part does not see what that one did: all are."""

    __slots__ = ()

    def one(self, dialect: str) -> Insert:
        return _one_owner(self, dialect)


@cache
def _one_owner(way: _OwnerInsert, dialect: str) -> Insert:
    table, there = table_of(_R), table_of(_B).c
    given = [bindparam(each.key, type_=each.type) for each in table.c]
    is_first = exists().where(*(there[cell.key] == cell for cell in given))
    rows = insert_of(dialect, table).from_select(
        table.c.keys(), select(*given).where(~is_first), include_defaults=False
    )
    return way.settled(rows)


_CONTENT = _ContentInsert(_B, missing=False, over=("stored_at", "head", "body"), table=table_of(_B).name)
_FURTHER_OWNERS = _OwnerInsert(_R, missing=True, over=(), table=table_of(_R).name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Content that the store took. Small content is still in memory: its bytes go with the unit that refers to it."""

    digest: Digest
    size: int
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ReadableContent:
    """Content that may be read: the bytes of what is small, or None where they are in a file."""

    body: bytes | None = field(default=None, repr=False)


class SqlBlobRefs(WatchedRows):
    """Which content one agency refers to, and so may read."""

    async def keep(self, kept: Kept, owner_kind: str, owner_id: str) -> None:
        """That owner refers to what `FileBlobs.keep` took; small bytes are written here, with everything else of this
        unit."""
        if kept.body is None:
            await self.add(kept.digest, owner_kind, owner_id)
            return
        content = BlobRow(
            digest=kept.digest,
            size=kept.size,
            stored_at=self._clock.now(),
            agency_id=self._agency_id,
            owner_kind=owner_kind,
            owner_id=owner_id,
            head=HEAD,
            body=kept.body,
        )
        self._tx.put_by(_CONTENT, content)
        self._tx.put_by(_FURTHER_OWNERS, self._ref(kept.digest, owner_kind, owner_id))

    async def heal(self, kept: Kept) -> None:
        """Small bytes that this agency refers to are those again, whatever became of them since. Large ones are by
        `FileBlobs.keep`; what nobody may read stays as it is."""
        if kept.body is None:
            return
        found = await self.found(kept.digest)
        if found is not None and found.body != kept.body:
            await self._tx.change(_WHOLE, this=kept.digest, head=HEAD, body=kept.body)

    async def add(self, digest: Digest, owner_kind: str, owner_id: str) -> None:
        """Of content that is here already; harmless when it is referred to. StoreFailure when nothing is kept under that
        digest (any more): whoever keeps it again succeeds. The foreign key holds the sweeper off until the caller ends, and
        nobody else who refers to the same content."""
        try:
            await self._tx.put_new(self._ref(digest, owner_kind, owner_id))
        except errors.Clash as cause:
            raise errors.StoreFailure(
                f"the content {digest} is not kept: somebody let go of the same content a moment ago; hand it in again"
            ) from cause

    async def drop(self, owner_kind: str, owner_id: str) -> None:
        """All references of that owner; harmless when there are none."""
        await drop_owner(self._tx, self._agency_id, owner_kind, owner_id)

    async def holds(self, digest: Digest) -> bool:
        """Whether this agency has any reference to it by which it may be read."""
        return bool(await self._tx.tuples(_HELD, agency=self._agency_id, digest=digest))

    async def found(self, digest: Digest) -> ReadableContent | None:
        """What may be read by a reference of this agency; None where it has none. Reading asks this first."""
        rows = await self._tx.tuples(_READABLE, agency=self._agency_id, digest=digest)
        return ReadableContent(rows[0][0]) if rows else None

    async def found_each(self, digests: Collection[Digest]) -> Mapping[Digest, ReadableContent]:
        """The same of several; what may not be read is left out."""
        rows = await self._tx.tuples(_READABLE_EACH, agency=self._agency_id, digests=list(digests))
        return {Digest(digest): ReadableContent(body) for digest, body in rows}

    async def frozen(self, digest: Digest, hold_id: str) -> ReadableContent | None:
        """The same of what that sealed hold keeps."""
        asked = {"agency": self._agency_id, "kind": HOLD, "owner": hold_id}
        rows = await self._tx.tuples(_FROZEN, digest=digest, **asked)
        return ReadableContent(rows[0][0]) if rows else None

    async def of(self, owner_kind: str, owner_id: str) -> Mapping[Digest, int]:
        """The content of that owner, with sizes, by digest."""
        asked = {"agency": self._agency_id, "kind": owner_kind, "owner": owner_id}
        return {Digest(digest): size for digest, size in sorted(await self._tx.tuples(_OF, **asked))}

    async def freeze(self, owner_kind: str, owner_id: str, hold_id: str) -> None:
        """What that owner refers to is kept for the sealed hold from now on, and can be read by nobody through it."""
        for digest in await self.of(owner_kind, owner_id):
            await self.add(digest, HOLD, hold_id)
        await self.drop(owner_kind, owner_id)

    async def others(self, digest: Digest, hold_id: str) -> int:
        """How many further owners there are at this node, of any agency."""
        owners = {tuple(row) for row in await self._tx.tuples(_OWNERS, digest=digest)}
        return len(owners - {(self._agency_id, HOLD, hold_id)})

    def _ref(self, digest: Digest, owner_kind: str, owner_id: str) -> BlobRefRow:
        return BlobRefRow(agency_id=self._agency_id, owner_kind=owner_kind, owner_id=owner_id, digest=digest)


async def drop_owner(tx: Transaction, agency_id: str, owner_kind: str, owner_id: str) -> None:
    """That owner refers to nothing any more."""
    for statement in (_DROP_FURTHER, _DROP_FIRST):
        await tx.change(statement, agency=agency_id, kind=owner_kind, owner=owner_id)
