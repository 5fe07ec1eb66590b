"""Files of records of one agency, and the documents in them (R44, R125: one document in several files). In: `WorkFile` and
`FileMember` values; hand-overs to the historical archive. Out: the values as last saved. Files are never deleted."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date

from sqlalchemy import bindparam, case, func, select
from sqlmodel import col

from gateway.store.repository import AgencyRows
from gateway.store.row import among, equal
from gateway.store.tables_records import FileMemberRow, HandOverRow, WorkFileRow
from gateway_office.domain.work_file import FileMember, HandOver, WorkFile

_FILE, _MEMBER = WorkFileRow, FileMemberRow
CLOSED_FILES = (
    select(_FILE)
    .where(
        equal(_FILE, agency_id=bindparam("agency"), archived_on=None),
        col(_FILE.closed_on) >= bindparam("since"),
    )
    .order_by(col(_FILE.closed_on), col(_FILE.id))
    .limit(bindparam("most"))
)
# The newest year first: later documents belong to its list.
_AT_WORK = (
    select(_FILE)
    .where(equal(_FILE, agency_id=bindparam("agency"), closed_on=None))
    .order_by(col(_FILE.year).desc(), col(_FILE.code))
    .limit(bindparam("most"))
)
_BY_IDS = select(_FILE).where(col(_FILE.agency_id) == bindparam("agency"), among(_FILE.id, "ids"))
_MEMBERS = (
    select(_MEMBER)
    .where(col(_MEMBER.agency_id) == bindparam("agency"), among(_MEMBER.file_id, "ids"))
    .order_by(col(_MEMBER.at), col(_MEMBER.document_id))
)
_WITH_SYMBOL = func.sum(case((col(_MEMBER.symbol) == bindparam("symbol"), 1), else_=0))
_USUAL = (
    select(col(_MEMBER.file_id), func.count())
    .where(equal(_MEMBER, agency_id=bindparam("agency"), partner=bindparam("partner")))
    .group_by(col(_MEMBER.file_id))
    .order_by(_WITH_SYMBOL.desc(), func.count().desc(), col(_MEMBER.file_id))
    .limit(bindparam("most"))
)


class SqlWorkFiles(AgencyRows):
    """Repository of one agency's files of records and of their documents."""

    async def open(self, since: date, limit: int) -> Sequence[WorkFile]:
        """List the files closed since that day that are not in the archive."""
        return await self._values(WorkFile, CLOSED_FILES, since=since, most=limit)

    async def at_work(self, limit: int) -> Sequence[WorkFile]:
        """List the files that are not closed, of the newest year first."""
        return await self._values(WorkFile, _AT_WORK, most=limit)

    async def of_year(self, year: int) -> Sequence[WorkFile]:
        """List the files of the year's list by their codes."""
        return await self._list(WorkFile, _FILE, "code", year=year)

    async def of_many(self, ids: Collection[str]) -> Sequence[WorkFile]:
        return await self._values(WorkFile, _BY_IDS, ids=sorted(ids))

    async def find(self, code: str) -> WorkFile | None:
        return await self._find(WorkFile, _FILE, lock=False, code=code)

    async def get(self, id: str) -> WorkFile:
        """Return one; NotFound for another agency's. In a writing unit of work it does not change until that ends."""
        return await self._load(WorkFile, _FILE, f"there is no file {id[:40]}", id=id)

    async def save(self, file: WorkFile) -> None:
        await self._tx.upsert(WorkFileRow.from_value(file, agency_id=self._agency_id))

    async def put_in(self, member: FileMember) -> bool:
        """Put a document into a file; False where it was in it."""
        return await self._tx.insert_new(FileMemberRow.from_value(member, agency_id=self._agency_id))

    async def take_out(self, file_id: str, document_id: str) -> bool:
        """Take a document out of a file; False where it was not in it."""
        return await self._delete(_MEMBER, file_id=file_id, document_id=document_id) == 1

    async def members(self, file_ids: Sequence[str]) -> Sequence[FileMember]:
        """List the documents in files as they were put in."""
        return await self._values(FileMember, _MEMBERS, ids=list(file_ids))

    async def of_document(self, document_id: str) -> Sequence[tuple[WorkFile, FileMember]]:
        """List the files that a document is in, each with its entry."""
        members = await self._list(FileMember, _MEMBER, "at", "file_id", document_id=document_id)
        files = {file.id: file for file in await self.of_many([member.file_id for member in members])}
        return [(files[member.file_id], member) for member in members]

    async def usual(self, partner: str, symbol: str, limit: int) -> Mapping[str, int]:
        """Count this partner's documents by file; first the files that most of those with this symbol went into."""
        parameters = {"agency": self._agency_id, "partner": partner, "symbol": symbol, "most": limit}
        return {id: int(count) for id, count in await self._tx.tuples(_USUAL, **parameters)}

    async def hand_overs(self, file_id: str | None = None) -> Sequence[HandOver]:
        """List the hand-overs of a file, or of all, the oldest first."""
        if file_id is None:
            return await self._list(HandOver, HandOverRow, "at", "id")
        return await self._list(HandOver, HandOverRow, "at", "id", file_id=file_id)

    async def hand_over(self, id: str) -> HandOver:
        """Return one; NotFound for another agency's."""
        return await self._load(HandOver, HandOverRow, f"there is no hand-over {id[:40]}", id=id)

    async def save_hand_over(self, hand_over: HandOver) -> None:
        await self._tx.upsert(HandOverRow.from_value(hand_over, agency_id=self._agency_id))
