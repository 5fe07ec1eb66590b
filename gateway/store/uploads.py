"""Uploads of files in parts. In: an open transaction of one agency. Out: uploads as last saved. The bytes of each part are
in the content store; the upload refers to them, and its references are deleted with it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, delete, exists, func, select, update
from sqlmodel import col

from gateway import errors
from gateway.domain.upload import MOST_OF_AGENCY, OWNER, Upload, UploadPart
from gateway.store.blob_refs import drop_owner
from gateway.store.repository import WatchedRows
from gateway.store.row import same
from gateway.store.tables import UploadPartRow, UploadRow
from gateway.store.transaction import Transaction


class SqlUploads(WatchedRows):
    """Repository of one agency's uploads in parts; an expired upload counts as not existing."""

    async def all(self) -> Sequence[Upload]:
        """Return all uploads of the agency, the oldest first."""
        query = select(UploadRow).where(self._is_live())
        return await self._tx.values(Upload, query.order_by(col(UploadRow.created_at), col(UploadRow.id)))

    async def get(self, id: str) -> Upload:
        """Return an upload. NotFound when it does not exist; a writing unit of work locks it until the unit ends."""
        upload = await self._find(Upload, UploadRow, id=id)
        if upload is None or upload.expires_at <= self._clock.now():
            raise errors.NotFound(f"there is no upload {id}, or its time is up")
        return upload

    async def parts(self, id: str) -> Sequence[UploadPart]:
        """Return the parts of an upload in the order of their numbers."""
        return await self._list(UploadPart, UploadPartRow, "n", upload_id=id)

    async def add(self, upload: Upload) -> None:
        """Add an upload. Clash when the agency has as many as it may have."""
        await self._tx.hold("uploads", self._agency_id)
        count = select(func.count()).select_from(UploadRow).where(self._is_live())
        if await self._tx.scalar(count) >= MOST_OF_AGENCY:
            raise errors.Clash(
                f"the agency has {MOST_OF_AGENCY} uploads side by side, which is the most; let go of those that are not "
                "needed",
                code="GW-UPLOAD-MOST",
            )
        self._tx.insert(UploadRow.from_value(upload))

    async def add_part(self, id: str, part: UploadPart) -> bool:
        """Add a part to an upload. Return False, and change nothing, when a part of that number exists."""
        row = UploadPartRow.from_value(part, agency_id=self._agency_id, upload_id=id)
        return await self._tx.insert_new(row)

    async def save(self, upload: Upload) -> None:
        """Save when the upload expires, its file, and the check of the file's signatures."""
        row = UploadRow.from_value(upload)
        columns = {"expires_at": row.expires_at, "file": row.file, "signatures": row.signatures}
        await self._tx.change(update(UploadRow).where(self._where(UploadRow, id=upload.id)).values(**columns))

    async def remove(self, id: str) -> None:
        """Delete an upload with its parts; no effect when it does not exist."""
        await self._delete(UploadPartRow, upload_id=id)
        await self._delete(UploadRow, id=id)

    def _is_live(self) -> ColumnElement[bool]:
        return self._where(UploadRow, col(UploadRow.expires_at) > self._clock.now())


async def forget(tx: Transaction, now: datetime) -> int:
    """Delete the expired uploads of all agencies, with their parts and references to content; return how many."""
    is_over = col(UploadRow.expires_at) <= now
    for agency_id, id in await tx.tuples(select(col(UploadRow.agency_id), col(UploadRow.id)).where(is_over)):
        await drop_owner(tx, agency_id, OWNER, id)
    await tx.change(
        delete(UploadPartRow).where(exists().where(same(UploadRow.id, UploadPartRow.upload_id), is_over))
    )
    return await tx.change(delete(UploadRow).where(is_over))
