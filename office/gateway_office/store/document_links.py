"""Links between documents of one agency that a person recorded (R73). In: `DocumentLink` values. Out: those of a document,
in both directions."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, or_, select
from sqlmodel import col

from gateway.store.repository import AgencyRows
from gateway.store.tables_records import DocumentLinkRow
from gateway_office.domain.document_link import DocumentLink, LinkKind

_LINK = DocumentLinkRow
_OF_DOCUMENT = (
    select(_LINK)
    .where(
        col(_LINK.agency_id) == bindparam("agency"),
        or_(col(_LINK.document_id) == bindparam("id"), col(_LINK.target_id) == bindparam("id")),
    )
    .order_by(col(_LINK.at), col(_LINK.target_id))
)


class SqlDocumentLinks(AgencyRows):
    """Repository of one agency's links between documents."""

    async def add(self, link: DocumentLink) -> bool:
        """Add a link; False where it is there."""
        return await self._tx.insert_new(DocumentLinkRow.from_value(link, agency_id=self._agency_id))

    async def remove(self, document_id: str, kind: LinkKind, target_id: str) -> bool:
        return await self._delete(_LINK, document_id=document_id, kind=kind.value, target_id=target_id) == 1

    async def of_document(self, id: str) -> Sequence[DocumentLink]:
        """List the links from a document and to it, the oldest first."""
        return await self._values(DocumentLink, _OF_DOCUMENT, id=id)
