"""Who needs which content. In: a digest and its owner, in the owner's transaction, and the bytes of what is small. Out:
whether this agency may read it, and those bytes. Dropping the last reference deletes nothing by itself: the sweeper does,
later. What is small is written when the transaction ends, all of it in one call a table, or before anybody here asks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from sqlalchemy import and_, bindparam, delete, func, not_, select
from sqlmodel import col

from gateway import errors
from gateway.domain.hold import OWNER as HOLD
from gateway.domain.identity import Digest
from gateway.store.repository import WatchedRows
from gateway.store.row import among
from gateway.store.tables import BlobRefRow, BlobRow, SmallContentRow

_R = BlobRefRow
_MINE = (col(_R.agency_id) == bindparam("agency"),)
_TO = select(_R).where(*_MINE, col(_R.digest) == bindparam("digest"), col(_R.owner_kind) != HOLD)
_SMALL = col(SmallContentRow.body)
_BODY = (
    select(_SMALL)
    .select_from(_R)
    .outerjoin(SmallContentRow, col(SmallContentRow.digest) == col(_R.digest))
    .where(*_MINE, col(_R.digest) == bindparam("digest"))
    .limit(1)
)
_READABLE = _BODY.where(col(_R.owner_kind) != HOLD)
_READABLE_EACH = (
    select(col(_R.digest), _SMALL)
    .select_from(_R)
    .outerjoin(SmallContentRow, col(SmallContentRow.digest) == col(_R.digest))
    .where(*_MINE, among(col(_R.digest), "digests"), col(_R.owner_kind) != HOLD)
)
_FROZEN = _BODY.where(col(_R.owner_kind) == HOLD, col(_R.owner_id) == bindparam("owner"))
_BY = (col(_R.owner_kind) == bindparam("kind"), col(_R.owner_id) == bindparam("owner"))
_OF = (
    select(col(BlobRow.digest), col(BlobRow.size))
    .join(_R, col(_R.digest) == col(BlobRow.digest))
    .where(*_MINE, *_BY)
    .order_by(col(BlobRow.digest))
)
_OWNED = delete(_R).where(*_MINE, *_BY)


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
        """That owner refers to what `FileBlobs.keep` took; small bytes are written here, with everything else of this unit.
        They take the place of those that are there: these were hashed a moment ago, those may have been damaged since."""
        if kept.body is not None:
            row = BlobRow(digest=kept.digest, size=kept.size, stored_at=self._clock.now())
            self._tx.put_over_last(row, "stored_at")
            self._tx.put_over_last(SmallContentRow(digest=kept.digest, body=kept.body), "body")
            self._tx.put_missing(self._ref(kept.digest, owner_kind, owner_id))
        else:
            await self.add(kept.digest, owner_kind, owner_id)

    async def heal(self, kept: Kept) -> None:
        """Small bytes that this agency refers to are those again, whatever became of them since. Large ones are by
        `FileBlobs.keep`; what nobody may read stays as it is."""
        if kept.body is None:
            return
        found = await self.found(kept.digest)
        if found is not None and found.body != kept.body:
            await self._tx.put_over(SmallContentRow(digest=kept.digest, body=kept.body), "body")

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
        await self._tx.change(_OWNED, agency=self._agency_id, kind=owner_kind, owner=owner_id)

    async def holds(self, digest: Digest) -> bool:
        """Whether this agency has any reference to it by which it may be read."""
        return await self._first(_R, _TO, digest=digest) is not None

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
        rows = await self._tx.tuples(_FROZEN, agency=self._agency_id, digest=digest, owner=hold_id)
        return ReadableContent(rows[0][0]) if rows else None

    async def of(self, owner_kind: str, owner_id: str) -> Mapping[Digest, int]:
        """The content of that owner, with sizes."""
        asked = {"agency": self._agency_id, "kind": owner_kind, "owner": owner_id}
        return {Digest(digest): size for digest, size in await self._tx.tuples(_OF, **asked)}

    async def freeze(self, owner_kind: str, owner_id: str, hold_id: str) -> None:
        """What that owner refers to is kept for the sealed hold from now on, and can be read by nobody through it."""
        for digest in await self.of(owner_kind, owner_id):
            await self.add(digest, HOLD, hold_id)
        await self.drop(owner_kind, owner_id)

    async def others(self, digest: Digest, hold_id: str) -> int:
        """How many further references there are at this node, of any agency."""
        ours = and_(
            col(_R.agency_id) == self._agency_id, col(_R.owner_kind) == HOLD, col(_R.owner_id) == hold_id
        )
        counted = select(func.count()).select_from(_R).where(col(_R.digest) == digest, not_(ours))
        return int((await self._tx.tuples(counted))[0][0])

    def _ref(self, digest: Digest, owner_kind: str, owner_id: str) -> BlobRefRow:
        return BlobRefRow(agency_id=self._agency_id, owner_kind=owner_kind, owner_id=owner_id, digest=digest)
