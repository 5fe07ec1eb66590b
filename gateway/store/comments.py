"""Comments on incoming documents and who has seen them, of one agency. In: an open transaction; a comment, a reader. Out:
comments, oldest first; the readers of a document; what a person has not read. All go when the content of the document is
purged."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import bindparam, select, update
from sqlmodel import col

from gateway.domain.comments import Comment, Reader
from gateway.store.repository import AgencyRows
from gateway.store.row import same
from gateway.store.tables_office import LetterCommentRow, LetterSeenRow

_COMMENT, _READER = LetterCommentRow, LetterSeenRow
# The reader's few documents come first: the comments of each are few.
_UNREAD = (
    select(_COMMENT)
    .join(_READER, same(_READER.document_id, _COMMENT.document_id))
    .where(
        col(_COMMENT.agency_id) == bindparam("agency"),
        col(_READER.person_id) == bindparam("person"),
        col(_COMMENT.person_id) != bindparam("person"),
        col(_COMMENT.at) > col(_READER.read_until),
    )
    .order_by(col(_COMMENT.at).desc(), col(_COMMENT.id).desc())
    .limit(bindparam("most"))
)


class SqlComments(AgencyRows):
    """Repository of the comments of one agency."""

    async def add(self, comment: Comment) -> None:
        self._tx.insert(_COMMENT.from_value(comment, agency_id=self._agency_id))

    async def of_document(self, document_id: str, limit: int) -> Sequence[Comment]:
        """Return the newest comments on a document, the oldest of them first."""
        newest = await self._list(
            Comment, _COMMENT, "at DESC", "id DESC", most=limit, document_id=document_id
        )
        return newest[::-1]

    async def readers_of(self, document_id: str) -> Sequence[Reader]:
        """Return the persons who saw a document, in the order in which they first did."""
        return await self._list(Reader, _READER, "at", "person_id", document_id=document_id)

    async def unread_by(self, person_id: str, limit: int) -> Sequence[Comment]:
        """Return the newest comments of others on documents that the person has seen, which came since."""
        return await self._values(Comment, _UNREAD, person=person_id, most=limit)

    async def mark_read(self, document_id: str, person_id: str, at: datetime) -> None:
        """Note that the person sees the document, and has read its comments until `at`."""
        reader = Reader(person_id=person_id, at=at, read_until=at)
        row = _READER.from_value(reader, agency_id=self._agency_id, document_id=document_id)
        if not await self._tx.insert_new(row):
            earlier = self._where(_READER, col(_READER.read_until) < at, **row.key_values())
            await self._tx.change(update(_READER).where(earlier).values(read_until=at))

    async def remove_of(self, document_id: str) -> None:
        """Delete the comments on a document, and who saw it."""
        for table in (_COMMENT, _READER):
            await self._delete(table, document_id=document_id)
