"""References to content by its owners. In: a digest and its owner, in the owner's transaction, and the bytes of small
content. Out: whether this agency may read the content, and small bytes. Dropping the last reference deletes nothing; the
sweeper deletes the content later. Small content is written when the transaction ends, all by one call for each table, or
before the transaction reads it.

The row of small content in `blob` has its bytes and its first owner. Every further owner has a row of `blob_ref`, and so
has each owner of content that is large or existed already. An owner may be in both places."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from io import BytesIO
from operator import itemgetter
from typing import Any, BinaryIO

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
_DIGEST = col(_B.digest) == bindparam("digest")
_OWNERS: CompoundSelect[str, str, str] = union_all(
    select(col(_B.agency_id), col(_B.owner_kind), col(_B.owner_id)).where(
        _DIGEST, col(_B.agency_id).is_not(None)
    ),
    select(col(_R.agency_id), col(_R.owner_kind), col(_R.owner_id)).where(
        col(_R.digest) == bindparam("digest")
    ),
)
_SET_BODY = update(_B).where(col(_B.digest) == bindparam("this"))


def _owner(owner: _Owners) -> Sequence[ColumnElement[bool]]:
    return (
        col(owner.agency_id) == bindparam("agency"),
        col(owner.owner_kind) == bindparam("kind"),
        col(owner.owner_id) == bindparam("owner"),
    )


def _reader(owner: _Owners) -> Sequence[ColumnElement[bool]]:
    return col(owner.agency_id) == bindparam("agency"), col(owner.owner_kind) != HOLD


def _owned_by(conditions: _OwnerConditions) -> ColumnElement[bool]:
    """Return the SQL condition that one of a content's owners, in either table, meets these conditions."""
    return or_(and_(*conditions(_B)), exists().where(col(_R.digest) == col(_B.digest), *conditions(_R)))


_HAS_REFERENCE = select(col(_B.digest)).where(_DIGEST, _owned_by(_reader))
_READABLE = select(col(_B.body), col(_B.object_name)).where(_DIGEST, _owned_by(_reader))
_READABLE_BODIES = select(col(_B.digest), col(_B.body), col(_B.object_name)).where(
    among(col(_B.digest), "digests"), _owned_by(_reader)
)
_FROZEN = select(col(_B.body), col(_B.object_name)).where(_DIGEST, _owned_by(_owner))
# Two queries instead of `_owned_by`, so that the index of owners is used.
_OWNED = union_all(
    select(col(_B.digest), col(_B.size)).where(*_owner(_B)),
    select(col(_B.digest), col(_B.size)).join(_R, col(_R.digest) == col(_B.digest)).where(*_owner(_R)),
)
_DROP_FURTHER = delete(_R).where(*_owner(_R))
# Rows are locked in the order of digests, as content is inserted, so that units on a server cannot deadlock.
_DROP_FIRST = (
    update(_B)
    .where(
        col(_B.digest).in_(
            select(col(_B.digest)).where(*_owner(_B)).order_by(col(_B.digest)).with_for_update(key_share=True)
        )
    )
    .values(dict.fromkeys(_OWNER))
)


class _ContentInsert(RowInsert):
    """Insert of small content with its owner. An existing row that has an owner and the same bytes stays unchanged; one
    without an owner gets this one and a new `stored_at`. Other bytes than these, which were hashed a moment ago, must be
    damaged, and are replaced."""

    __slots__ = ()

    def add_conflict_clause(self, insert: Any) -> Insert:
        """Add the clause that updates an existing row where that is needed. Any: as in `RowInsert`."""
        columns, excluded = table_of(_B).c, insert.excluded
        assignments = {name: excluded[name] for name in self.columns}
        assignments |= {name: func.coalesce(columns[name], excluded[name]) for name in _OWNER}
        upsert: Insert = insert.on_conflict_do_update(
            index_elements=["digest"],
            set_=assignments,
            where=or_(columns.agency_id.is_(None), columns.body.is_distinct_from(excluded.body)),
        )
        return upsert

    def keep_last(self, rows: Sequence[Values]) -> Sequence[Values]:
        """Return the last row of each digest, sorted by digest, so that units on a server cannot deadlock."""
        return sorted(super().keep_last(rows), key=itemgetter("digest"))


class _OwnerInsert(RowInsert):
    """Insert of owners into `blob_ref`, except an owner that is in the content's own row. On a server one statement inserts
    content and owners, and cannot see the new content rows, so there all owners are inserted."""

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


_CONTENT = _ContentInsert(_B, missing=False, columns=("stored_at", "head", "body"), table=table_of(_B).name)
_FURTHER_OWNERS = _OwnerInsert(_R, missing=True, columns=(), table=table_of(_R).name)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptContent:
    """Content that the store accepted. The bytes of small content are in `body`; the unit that refers to it writes them.
    `open` opens large content."""

    digest: Digest
    size: int
    body: bytes | None = field(default=None, repr=False)
    open: Callable[[], BinaryIO] | None = field(default=None, repr=False, compare=False)

    @property
    def reader(self) -> Callable[[], BinaryIO]:
        """Return a function that opens the bytes as they were just stored."""
        return self.open or partial(BytesIO, self.body or b"")


@dataclass(frozen=True, slots=True)
class ReadableContent:
    """Content that the agency may read. `body` has the bytes of small content; None when they are in a file, or in the
    object of a bucket that is named."""

    body: bytes | None = field(default=None, repr=False)
    object_name: str | None = None


class SqlBlobRefs(WatchedRows):
    """Repository of one agency's references to content; they allow the agency to read it."""

    async def keep(self, kept_content: KeptContent, owner_kind: str, owner_id: str) -> None:
        """Add a reference to content that `FileBlobs.keep` returned, and write the bytes of small content."""
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
        """Replace damaged bytes of small content that this agency may read; `FileBlobs.keep` does so for large content."""
        if kept_content.body is None:
            return
        readable = await self.find(kept_content.digest)
        if readable is not None and readable.body != kept_content.body:
            await self._tx.change(_SET_BODY, this=kept_content.digest, head=HEAD, body=kept_content.body)

    async def add(self, digest: Digest, owner_kind: str, owner_id: str) -> None:
        """Add a reference to existing content; no effect when there is one. StoreFailure when no content is stored under
        that digest (any more); storing it again helps. Until the transaction ends, the foreign key keeps the sweeper away
        from the content."""
        try:
            await self._tx.insert_new(self._ref(digest, owner_kind, owner_id))
        except errors.Clash as cause:
            raise errors.StoreFailure(
                f"the content {digest} is not kept: somebody let go of the same content a moment ago; hand it in again"
            ) from cause

    async def drop(self, owner_kind: str, owner_id: str) -> None:
        """Delete all references of that owner; no effect when there are none."""
        await drop_owner(self._tx, self._agency_id, owner_kind, owner_id)

    async def holds(self, digest: Digest) -> bool:
        """Tell whether this agency may read the content: it has a reference that is not a sealed hold's."""
        return bool(await self._tx.tuples(_HAS_REFERENCE, agency=self._agency_id, digest=digest))

    async def find(self, digest: Digest) -> ReadableContent | None:
        """Return the content if this agency may read it, else None. Every read of content checks this first."""
        rows = await self._tx.tuples(_READABLE, agency=self._agency_id, digest=digest)
        return ReadableContent(*rows[0]) if rows else None

    async def find_all(self, digests: Collection[Digest]) -> Mapping[Digest, ReadableContent]:
        """Return those of several contents that this agency may read, by digest."""
        rows = await self._tx.tuples(_READABLE_BODIES, agency=self._agency_id, digests=sorted(digests))
        return {Digest(digest): ReadableContent(body, name) for digest, body, name in rows}

    async def find_frozen(self, digest: Digest, hold_id: str) -> ReadableContent | None:
        """Return the content if that sealed hold keeps it, else None."""
        owner = {"agency": self._agency_id, "kind": HOLD, "owner": hold_id}
        rows = await self._tx.tuples(_FROZEN, digest=digest, **owner)
        return ReadableContent(*rows[0]) if rows else None

    async def of_owner(self, owner_kind: str, owner_id: str) -> Mapping[Digest, int]:
        """Return the size of each content of that owner by digest."""
        owner = {"agency": self._agency_id, "kind": owner_kind, "owner": owner_id}
        return {Digest(digest): size for digest, size in sorted(await self._tx.tuples(_OWNED, **owner))}

    async def freeze(self, owner_kind: str, owner_id: str, hold_id: str) -> None:
        """Move the owner's references to the sealed hold, so that this agency can no longer read the content by them."""
        for digest in await self.of_owner(owner_kind, owner_id):
            await self.add(digest, HOLD, hold_id)
        await self.drop(owner_kind, owner_id)

    async def count_other_owners(self, digest: Digest, hold_id: str) -> int:
        """Count the owners of content besides the sealed hold, over all agencies of this node."""
        owners = {tuple(row) for row in await self._tx.tuples(_OWNERS, digest=digest)}
        return len(owners - {(self._agency_id, HOLD, hold_id)})

    def _ref(self, digest: Digest, owner_kind: str, owner_id: str) -> BlobRefRow:
        return BlobRefRow(agency_id=self._agency_id, owner_kind=owner_kind, owner_id=owner_id, digest=digest)


async def drop_owner(tx: Transaction, agency_id: str, owner_kind: str, owner_id: str) -> None:
    """Delete all references of that owner, in both tables."""
    for statement in (_DROP_FURTHER, _DROP_FIRST):
        await tx.change(statement, agency=agency_id, kind=owner_kind, owner=owner_id)
