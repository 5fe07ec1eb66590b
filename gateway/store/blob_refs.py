"""Owners of content. In: a digest and its owner, in the owner's transaction, and the bytes of small content. Out: whether
this agency may read it, and those bytes. Dropping the last owner deletes nothing by itself: the sweeper does, later. Small
content is written when the transaction ends, all of it in one call a table, or before the transaction reads it.

Small content has one row: its bytes, and its first owner. Every further owner is a row of `blob_ref`, and so is each owner
of content that is large or existed already. An owner may be in both places."""

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
_OwnerConditions = Callable[[_Owners], Sequence[ColumnElement[bool]]]
_OWNER = ("agency_id", "owner_kind", "owner_id")


def _owner(owner: _Owners) -> Sequence[ColumnElement[bool]]:
    return (
        col(owner.agency_id) == bindparam("agency"),
        col(owner.owner_kind) == bindparam("kind"),
        col(owner.owner_id) == bindparam("owner"),
    )


def _reader(owner: _Owners) -> Sequence[ColumnElement[bool]]:
    return col(owner.agency_id) == bindparam("agency"), col(owner.owner_kind) != HOLD


def _owned_by(conditions: _OwnerConditions) -> ColumnElement[bool]:
    """Return the condition that one of a content's owners is such."""
    return or_(and_(*conditions(_B)), exists().where(col(_R.digest) == col(_B.digest), *conditions(_R)))


_DIGEST = col(_B.digest) == bindparam("digest")
_HAS_REFERENCE = select(col(_B.digest)).where(_DIGEST, _owned_by(_reader))
_READABLE = select(col(_B.body)).where(_DIGEST, _owned_by(_reader))
_READABLE_BODIES = select(col(_B.digest), col(_B.body)).where(
    among(col(_B.digest), "digests"), _owned_by(_reader)
)
_FROZEN = select(col(_B.body)).where(_DIGEST, _owned_by(_owner))
# By the index of owners, which `_owned_by` would not use.
_OWNED = union_all(
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
_SET_BODY = update(_B).where(col(_B.digest) == bindparam("this"))


class _ContentInsert(RowInsert):
    """Insert of small content with its keeper as its owner. An existing row stays unchanged: it has an owner, and the
    same bytes. One without an owner gets this one, and its day to be swept begins anew. Bytes that were hashed a moment
    ago replace others, which may have been damaged since."""

    __slots__ = ()

    def add_conflict_clause(self, insert: Any) -> Insert:
        """Replace an existing row where that is needed. Any: as in `RowInsert.settled`."""
        columns, excluded = table_of(_B).c, insert.excluded
        assignments = {name: excluded[name] for name in self.over}
        assignments |= {name: func.coalesce(columns[name], excluded[name]) for name in _OWNER}
        upsert: Insert = insert.on_conflict_do_update(
            index_elements=["digest"],
            set_=assignments,
            where=or_(columns.agency_id.is_(None), columns.body.is_distinct_from(excluded.body)),
        )
        return upsert

    def keep_last(self, rows: Sequence[Values]) -> Sequence[Values]:
        """Sort by digest too, so that units on a server never wait for each other in a circle."""
        return sorted(super().keep_last(rows), key=itemgetter("digest"))


class _OwnerInsert(RowInsert):
    """Insert of owners of content that was written before, except those in its own row. On a server, where a call costs
    more than a row, one call writes both, in which this part does not see the other's rows: it writes all owners."""

    __slots__ = ()

    def for_one_row(self, dialect: str) -> Insert:
        return _one_owner(self, dialect)


@cache
def _one_owner(insert: _OwnerInsert, dialect: str) -> Insert:
    table, content = table_of(_R), table_of(_B).c
    cells = [bindparam(column.key, type_=column.type) for column in table.c]
    is_first = exists().where(*(content[cell.key] == cell for cell in cells))
    rows = insert_of(dialect, table).from_select(
        table.c.keys(), select(*cells).where(~is_first), include_defaults=False
    )
    return insert.add_conflict_clause(rows)


_CONTENT = _ContentInsert(_B, missing=False, over=("stored_at", "head", "body"), table=table_of(_B).name)
_FURTHER_OWNERS = _OwnerInsert(_R, missing=True, over=(), table=table_of(_R).name)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptContent:
    """Content that the store took. Small content is still in memory: its bytes go with the unit that refers to it."""

    digest: Digest
    size: int
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ReadableContent:
    """Content that may be read: the bytes of small content, or None where they are in a file."""

    body: bytes | None = field(default=None, repr=False)


class SqlBlobRefs(WatchedRows):
    """References of one agency to content, which it may therefore read."""

    async def keep(self, kept_content: KeptContent, owner_kind: str, owner_id: str) -> None:
        """Refer to content that `FileBlobs.keep` took; small bytes are written here, with everything else of this unit."""
        if kept_content.body is None:
            await self.add(kept_content.digest, owner_kind, owner_id)
            return
        content = BlobRow(
            digest=kept_content.digest,
            size=kept_content.size,
            stored_at=self._clock.now(),
            agency_id=self._agency_id,
            owner_kind=owner_kind,
            owner_id=owner_id,
            head=HEAD,
            body=kept_content.body,
        )
        self._tx.insert_by(_CONTENT, content)
        self._tx.insert_by(_FURTHER_OWNERS, self._ref(kept_content.digest, owner_kind, owner_id))

    async def heal(self, kept_content: KeptContent) -> None:
        """Restore small bytes that this agency refers to, whatever became of them. `FileBlobs.keep` restores large
        ones; content that no one may read stays unchanged."""
        if kept_content.body is None:
            return
        readable = await self.find(kept_content.digest)
        if readable is not None and readable.body != kept_content.body:
            await self._tx.change(_SET_BODY, this=kept_content.digest, head=HEAD, body=kept_content.body)

    async def add(self, digest: Digest, owner_kind: str, owner_id: str) -> None:
        """Refer to existing content; harmless when it is referred to. StoreFailure when nothing is kept under that
        digest (any more): keeping it again succeeds. The foreign key holds off the sweeper until the caller ends, but
        no other owner of the content."""
        try:
            await self._tx.insert_new(self._ref(digest, owner_kind, owner_id))
        except errors.Clash as cause:
            raise errors.StoreFailure(
                f"the content {digest} is not kept: somebody let go of the same content a moment ago; hand it in again"
            ) from cause

    async def drop(self, owner_kind: str, owner_id: str) -> None:
        """Drop all references of that owner; harmless when there are none."""
        await drop_owner(self._tx, self._agency_id, owner_kind, owner_id)

    async def holds(self, digest: Digest) -> bool:
        """Tell whether this agency has a reference that allows to read the content."""
        return bool(await self._tx.tuples(_HAS_REFERENCE, agency=self._agency_id, digest=digest))

    async def find(self, digest: Digest) -> ReadableContent | None:
        """Return content that a reference of this agency allows to read, else None. Reading asks this first."""
        rows = await self._tx.tuples(_READABLE, agency=self._agency_id, digest=digest)
        return ReadableContent(rows[0][0]) if rows else None

    async def find_all(self, digests: Collection[Digest]) -> Mapping[Digest, ReadableContent]:
        """Return the readable ones of several."""
        rows = await self._tx.tuples(_READABLE_BODIES, agency=self._agency_id, digests=list(digests))
        return {Digest(digest): ReadableContent(body) for digest, body in rows}

    async def find_frozen(self, digest: Digest, hold_id: str) -> ReadableContent | None:
        """Return content that the sealed hold keeps."""
        owner = {"agency": self._agency_id, "kind": HOLD, "owner": hold_id}
        rows = await self._tx.tuples(_FROZEN, digest=digest, **owner)
        return ReadableContent(rows[0][0]) if rows else None

    async def of_owner(self, owner_kind: str, owner_id: str) -> Mapping[Digest, int]:
        """Return the content of that owner, with sizes, by digest."""
        owner = {"agency": self._agency_id, "kind": owner_kind, "owner": owner_id}
        return {Digest(digest): size for digest, size in sorted(await self._tx.tuples(_OWNED, **owner))}

    async def freeze(self, owner_kind: str, owner_id: str, hold_id: str) -> None:
        """Keep the owner's content for the sealed hold from now on; it can no longer be read."""
        for digest in await self.of_owner(owner_kind, owner_id):
            await self.add(digest, HOLD, hold_id)
        await self.drop(owner_kind, owner_id)

    async def count_other_owners(self, digest: Digest, hold_id: str) -> int:
        """Count the further owners at this node, of any agency."""
        owners = {tuple(row) for row in await self._tx.tuples(_OWNERS, digest=digest)}
        return len(owners - {(self._agency_id, HOLD, hold_id)})

    def _ref(self, digest: Digest, owner_kind: str, owner_id: str) -> BlobRefRow:
        return BlobRefRow(agency_id=self._agency_id, owner_kind=owner_kind, owner_id=owner_id, digest=digest)


async def drop_owner(tx: Transaction, agency_id: str, owner_kind: str, owner_id: str) -> None:
    """Drop all references of that owner."""
    for statement in (_DROP_FURTHER, _DROP_FIRST):
        await tx.change(statement, agency=agency_id, kind=owner_kind, owner=owner_id)
