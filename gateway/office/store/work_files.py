"""Closed work files of one agency. In: an open transaction. Out: files that are not in the archive yet, the longest closed
first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from sqlalchemy import bindparam, select
from sqlmodel import col

from gateway.office.domain.work_file import WorkFile
from gateway.store.repository import AgencyRows
from gateway.store.row import equal
from gateway.store.tables_office import WorkFileRow

_ROW = WorkFileRow
OPEN = (
    select(_ROW)
    .where(
        equal(_ROW, agency_id=bindparam("agency"), archived_on=None),
        col(_ROW.closed_on) >= bindparam("since"),
    )
    .order_by(col(_ROW.closed_on), col(_ROW.id))
    .limit(bindparam("most"))
)


class SqlWorkFiles(AgencyRows):
    async def open(self, since: date, limit: int) -> Sequence[WorkFile]:
        """List the files closed since that day that are not in the archive."""
        return await self._values(WorkFile, OPEN, since=since, most=limit)

    async def find(self, code: str) -> WorkFile | None:
        return await self._find(WorkFile, _ROW, lock=False, code=code)

    async def get(self, id: str) -> WorkFile:
        """Return one; NotFound for another agency's. In a writing unit of work it does not change until that ends."""
        return await self._load(WorkFile, _ROW, f"there is no file {id[:40]}", id=id)

    async def save(self, file: WorkFile) -> None:
        await self._tx.upsert(WorkFileRow.from_value(file, agency_id=self._agency_id))
