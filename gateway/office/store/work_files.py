"""Closed work files of one agency. In: an open transaction. Out: files that are not in the archive yet, the longest closed
first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from sqlalchemy import bindparam, select
from sqlmodel import col

from gateway.office.domain.work_file import WorkFile
from gateway.store.repository import AgencyRows
from gateway.store.row import value_of
from gateway.store.tables_office import WorkFileRow

_ROW = WorkFileRow
_OURS = select(_ROW).where(col(_ROW.agency_id) == bindparam("agency"))
OPEN = (
    _OURS.where(col(_ROW.archived_on).is_(None), col(_ROW.closed_on) >= bindparam("since"))
    .order_by(col(_ROW.closed_on), col(_ROW.id))
    .limit(bindparam("most"))
)


class SqlWorkFiles(AgencyRows):
    async def open(self, since: date, limit: int) -> Sequence[WorkFile]:
        """List the files closed since that day that are not in the archive."""
        return [value_of(WorkFile, row) for row in await self._rows(_ROW, OPEN, since=since, most=limit)]

    async def find(self, code: str) -> WorkFile | None:
        row = await self._first(_ROW, _OURS.where(col(_ROW.code) == code))
        return value_of(WorkFile, row) if row is not None else None

    async def get(self, id: str) -> WorkFile:
        """Return one; NotFound for another agency's. In a writing unit of work it does not change until that ends."""
        query = self._tx.lock_rows(_OURS.where(col(_ROW.id) == id))
        return value_of(WorkFile, await self._get(_ROW, query, f"there is no file {id[:40]}"))

    async def save(self, file: WorkFile) -> None:
        row = WorkFileRow.from_value(file, agency_id=self._agency_id)
        await self._tx.upsert(row, *row.values("agency_id", "id"))
