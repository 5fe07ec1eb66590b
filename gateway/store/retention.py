"""Tables of retention of one agency, and the facts on which they decide (R102). In: `RetentionTable` values. Out: the
newest table; facts about files of records. Earlier tables stay, so that a former decision can be read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from sqlalchemy import and_, bindparam, select
from sqlmodel import col

from gateway.domain.retention import FileFacts, RetentionTable
from gateway.store.repository import AgencyRows
from gateway.store.row import among, from_json, same, to_json
from gateway.store.tables_records import FileMemberRow, HandOverRow, RetentionTableRow, WorkFileRow
from gateway.store.work import SqlWork

_TABLE, _FILE, _MEMBER, _PACKAGE = RetentionTableRow, WorkFileRow, FileMemberRow, HandOverRow
_NEWEST = (
    select(_TABLE)
    .where(col(_TABLE.agency_id) == bindparam("agency"))
    .order_by(col(_TABLE.at).desc(), col(_TABLE.id).desc())
    .limit(1)
)
_FILES = select(_FILE).where(col(_FILE.agency_id) == bindparam("agency")).order_by(col(_FILE.code))
_FACTS = (_FILE.id, _FILE.code, _FILE.kind, _FILE.retention, _FILE.closed_on)
_FILES_OF = (
    select(col(_MEMBER.document_id), *map(col, _FACTS))
    .join_from(_FILE, _MEMBER, same(col(_MEMBER.file_id), col(_FILE.id)))
    .where(col(_MEMBER.agency_id) == bindparam("agency"), among(col(_MEMBER.document_id), "documents"))
    .order_by(col(_FILE.code))
)
_HANDED_OVER = (
    select(col(_MEMBER.at), col(_PACKAGE.at))
    .join_from(
        _MEMBER,
        _PACKAGE,
        and_(
            same(col(_PACKAGE.file_id), col(_MEMBER.file_id)),
            col(_PACKAGE.state) == "received",
        ),
        isouter=True,
    )
    .where(col(_MEMBER.agency_id) == bindparam("agency"), col(_MEMBER.document_id) == bindparam("id"))
)
FilesOf = Mapping[str, Sequence[FileFacts]]


class SqlRetention(AgencyRows):
    """Repository of one agency's tables of retention."""

    async def add(self, table: RetentionTable) -> None:
        self._check_own(table.agency_id, f"the table of retention {table.id}")
        body = to_json(RetentionTable, table)
        self._tx.insert(RetentionTableRow(agency_id=self._agency_id, id=table.id, at=table.at, body=body))

    async def newest(self) -> RetentionTable | None:
        return await self._value(_to_table, _NEWEST)

    async def files(self) -> Sequence[FileFacts]:
        """Return the facts about all files of records, by their codes."""
        return await self._values(FileFacts, _FILES)

    async def files_of(self, document_ids: Sequence[str]) -> FilesOf:
        """Return the facts about the files that each of these documents is in, by the document's id."""
        files = defaultdict[str, list[FileFacts]](list)
        for document_id, id, code, kind, retention, closed_on in await self._tx.tuples(
            _FILES_OF, agency=self._agency_id, documents=list(document_ids)
        ):
            facts = FileFacts(id=id, code=code, kind=kind, retention=retention, closed_on=closed_on)
            files[document_id].append(facts)
        return files

    async def is_in_archive(self, document_id: str) -> bool:
        """Tell whether the historical archive has received every file that the document is in, packed with it."""
        times = await self._tx.tuples(_HANDED_OVER, agency=self._agency_id, id=document_id)
        return bool(times) and all(packed is not None and put_in <= packed for put_in, packed in times)


def open_retention(work: SqlWork) -> SqlRetention:
    """Open the repository of a unit of work: no part of one, because no flow asks for it."""
    tx, scope, *_ = work.arguments
    return SqlRetention(tx, scope)


def _to_table(row: RetentionTableRow) -> RetentionTable:
    return from_json(RetentionTable, row.body)
