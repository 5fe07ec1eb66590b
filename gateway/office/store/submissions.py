"""Documents that were submitted to a leader, on SQL. In: an open transaction of one agency. Out: the `Submissions`
promise. Sealed documents are in no list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import bindparam, select, update
from sqlmodel import col

from gateway import errors
from gateway.domain.document import IncomingDocument, InState
from gateway.office.domain.task import Submission, SubmissionState
from gateway.store import incoming
from gateway.store.repository import AgencyRows
from gateway.store.tables import IncomingRow
from gateway.store.tables_office import SubmissionRow

_S, _I = SubmissionRow, IncomingRow
_MINE = select(_S).where(col(_S.agency_id) == bindparam("agency"))
_OF = _MINE.where(col(_S.document_id).in_(bindparam("ids", expanding=True))).order_by(
    col(_S.asked_at), col(_S.id)
)
_OPEN = _MINE.where(col(_S.state) == SubmissionState.ASKED.value).order_by(col(_S.asked_at), col(_S.id))
_DOCUMENTS = select(_I).where(
    col(_I.agency_id) == bindparam("agency"),
    col(_I.id).in_(bindparam("ids", expanding=True)),
    col(_I.state) != InState.SEALED.value,
)
_AT_ONCE = 500


class SqlSubmissions(AgencyRows):
    """Keeps the promise of `ports.store.Submissions`."""

    async def add(self, submission: Submission) -> None:
        self._tx.put(self._row(submission))

    async def of(self, document_ids: Sequence[str]) -> Mapping[str, Sequence[Submission]]:
        found: dict[str, list[Submission]] = {id: [] for id in document_ids}
        for start in range(0, len(document_ids), _AT_ONCE):
            for row in await self._rows(_S, _OF, ids=list(document_ids[start : start + _AT_ONCE])):
                found[row.document_id].append(_submission(row))
        return found

    async def open(self, limit: int) -> Sequence[tuple[Submission, IncomingDocument]]:
        asked = [_submission(row) for row in await self._rows(_S, _OPEN.limit(limit))]
        ids = sorted({each.document_id for each in asked})
        documents: dict[str, IncomingDocument] = {}
        for start in range(0, len(ids), _AT_ONCE):
            rows = await self._rows(_I, _DOCUMENTS, ids=ids[start : start + _AT_ONCE])
            documents |= {row.id: incoming.to_incoming(row) for row in rows}
        return [(each, documents[each.document_id]) for each in asked if each.document_id in documents]

    async def close(self, submission: Submission) -> None:
        this = (
            col(_S.agency_id) == self._agency_id,
            col(_S.id) == submission.id,
            col(_S.state) == SubmissionState.ASKED.value,
        )
        closed = self._row(submission).values("agency_id", "id")
        if await self._tx.change(update(_S).where(*this).values(**closed)) != 1:
            raise errors.Clash(f"the submission {submission.id} does not wait any more; look at it again")

    def _row(self, submission: Submission) -> SubmissionRow:
        return _S.of(submission, agency_id=self._agency_id, state=submission.state.value)


def _submission(row: SubmissionRow) -> Submission:
    return Submission(
        id=row.id,
        document_id=row.document_id,
        leader=row.leader,
        note=row.note,
        asked_by=row.asked_by,
        asked_at=row.asked_at,
        state=SubmissionState(row.state),
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        opinion=row.opinion,
    )
