"""Who needs which content. In: a digest and its owner, in the owner's transaction. Out: whether this agency may read
it. Dropping the last reference deletes nothing by itself: the sweeper does, later."""

from __future__ import annotations

from sqlalchemy import delete, select
from sqlmodel import col

from gateway import errors
from gateway.domain.account import AgencyScope
from gateway.domain.identity import Digest
from gateway.store.tables import BlobRefRow, BlobRow
from gateway.store.transaction import Transaction

_R = BlobRefRow


class SqlBlobRefs:
    """Keeps the promise of `ports.BlobRefs`."""

    def __init__(self, tx: Transaction, scope: AgencyScope) -> None:
        self._tx = tx
        self._agency_id = scope.agency_id

    async def add(self, digest: Digest, owner_kind: str, owner_id: str) -> None:
        """Harmless when it is there. NotFound when that content was never kept, or is swept away."""
        # The row's lock holds the sweeper off until the caller ends, as a `keep` of the same digest would. Others may
        # refer to it meanwhile, so two documents with the same files never wait for each other.
        kept = select(BlobRow).where(col(BlobRow.digest) == digest).with_for_update(read=True, key_share=True)
        if await self._tx.first(BlobRow, kept) is None:
            raise errors.NotFound(f"no content {digest} is kept; keep it before referring to it")
        row = BlobRefRow(agency_id=self._agency_id, owner_kind=owner_kind, owner_id=owner_id, digest=digest)
        await self._tx.put_new(row)

    async def drop(self, owner_kind: str, owner_id: str) -> None:
        """All references of that owner; harmless when there are none."""
        owned = (col(_R.owner_kind) == owner_kind, col(_R.owner_id) == owner_id)
        await self._tx.change(delete(_R).where(col(_R.agency_id) == self._agency_id, *owned))

    async def holds(self, digest: Digest) -> bool:
        query = select(_R).where(col(_R.agency_id) == self._agency_id, col(_R.digest) == digest)
        return await self._tx.first(_R, query) is not None
