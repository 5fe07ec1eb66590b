"""Files that come in parts, on SQL. In: an open transaction of one agency. Out: uploads as last saved. What each part
holds lies in the content store, referred to by its upload; it goes with it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, exists, func, select, update
from sqlmodel import col

from gateway import errors
from gateway.domain.upload import MOST_OF_AGENCY, OWNER, Upload, UploadPart
from gateway.store.blob_refs import drop_owner
from gateway.store.repository import WatchedRows
from gateway.store.row import value_of
from gateway.store.tables import UploadPartRow, UploadRow
from gateway.store.transaction import Transaction

_U, _P = UploadRow, UploadPartRow


class SqlUploads(WatchedRows):
    """Files of one agency that come in parts. One whose time is up is not there."""

    async def all(self) -> Sequence[Upload]:
        """The oldest first."""
        query = select(_U).where(*self._present()).order_by(col(_U.created_at), col(_U.id))
        return [value_of(Upload, row) for row in await self._tx.rows(_U, query)]

    async def get(self, id: str) -> Upload:
        """NotFound where there is none. In a writing unit of work nobody else changes it until that ends."""
        query = self._tx.kept(select(_U).where(*self._present(), col(_U.id) == id))
        return value_of(Upload, await self._tx.one(_U, query, f"there is no upload {id}, or its time is up"))

    async def parts(self, id: str) -> Sequence[UploadPart]:
        """By number."""
        query = select(_P).where(*self._of(id)).order_by(col(_P.n))
        rows = await self._tx.rows(_P, query)
        return [value_of(UploadPart, row) for row in rows]

    async def add(self, upload: Upload) -> None:
        """Clash when the agency has as many as it may."""
        await self._tx.hold("uploads", self._agency_id)
        counted = await self._tx.tuples(select(func.count()).select_from(_U).where(*self._present()))
        if counted[0][0] >= MOST_OF_AGENCY:
            raise errors.Clash(
                f"the agency has {MOST_OF_AGENCY} uploads side by side, which is the most; let go of those that are not "
                "needed",
                code="GW-UPLOAD-MOST",
            )
        self._tx.put(UploadRow.of(upload))

    async def add_part(self, id: str, part: UploadPart) -> bool:
        """False, and nothing changed, where there is one with that number."""
        row = _P.of(part, agency_id=self._agency_id, upload_id=id)
        return await self._tx.put_new(row)

    async def save(self, upload: Upload) -> None:
        """How long it is kept, and what it was found to be."""
        row = UploadRow.of(upload)
        values = {"expires_at": row.expires_at, "file": row.file, "signatures": row.signatures}
        await self._tx.change(update(_U).where(*self._is(upload.id)).values(**values))

    async def remove(self, id: str) -> None:
        """With its parts; harmless where there is none."""
        await self._tx.change(delete(_P).where(*self._of(id)))
        await self._tx.change(delete(_U).where(*self._is(id)))

    def _present(self) -> tuple[ColumnElement[bool], ...]:
        return (col(_U.agency_id) == self._agency_id, col(_U.expires_at) > self._clock.now())

    def _is(self, id: str) -> tuple[ColumnElement[bool], ...]:
        return (col(_U.agency_id) == self._agency_id, col(_U.id) == id)

    def _of(self, id: str) -> tuple[ColumnElement[bool], ...]:
        return (col(_P.agency_id) == self._agency_id, col(_P.upload_id) == id)


async def forget(tx: Transaction, now: datetime) -> int:
    """Those of every agency whose time is up; how many."""
    over = col(_U.expires_at) <= now
    mine = and_(col(_U.agency_id) == col(_P.agency_id), col(_U.id) == col(_P.upload_id), over)
    for agency_id, id in await tx.tuples(select(col(_U.agency_id), col(_U.id)).where(over)):
        await drop_owner(tx, agency_id, OWNER, id)
    await tx.change(delete(_P).where(exists().where(mine)))
    return await tx.change(delete(_U).where(over))
