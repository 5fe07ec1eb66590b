"""Links between documents (R73): a person records that one corrects, copies, forwards, completes or recalls to mind
another. In: two documents of the agency, a kind. Out: the link, with an event; the links of a document, with the numbers
of the others. The agency that issued a correction issued the original (R72)."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.domain.account import AgencyScope
from gateway.domain.document import IncomingDocument, OutgoingDocument
from gateway.domain.event import EventKind
from gateway.domain.text import fold
from gateway.domain.wall_clock import local
from gateway.errors import Clash
from gateway_office.domain.document_link import DocumentLink, LinkKind, SeenLink
from gateway_office.letters.work_files import Document, load_document
from gateway_office.services import TodoServices
from gateway_office.store.store import OfficeWork


async def add_link(
    services: TodoServices, scope: AgencyScope, document_id: str, kind: LinkKind, target: str
) -> bool:
    """Record a link to the document with that number and symbol, or that id; False where it is recorded."""
    now = services.clock.now()
    async with services.store.begin(scope) as work:
        year = local(now).year
        document, original = await load_document(work, document_id), await _find_target(work, target, year)
        if original.id == document_id:
            raise Clash("a document is not linked to itself", code="GW-LINK-DOCUMENT")
        if kind is LinkKind.CORRECTS and _issuer(document) != _issuer(original):
            raise Clash(
                f"{document_id} and {original.id} were not issued by one agency", code="GW-LINK-ISSUER"
            )
        link = DocumentLink(
            document_id=document_id, kind=kind, target_id=original.id, by=scope.principal_id, at=now
        )
        is_new = await work.office.links.add(link)
        if is_new:
            facts = {"kind": kind.value, "target": original.id}
            await work.events.append(EventKind.DOCUMENT_LINKED, document_id, now, facts)
            await work.commit()
    return is_new


async def remove_link(
    services: TodoServices, scope: AgencyScope, document_id: str, kind: LinkKind, target_id: str
) -> None:
    """Remove a link that was recorded wrongly; the log keeps both acts."""
    async with services.store.begin(scope) as work:
        if await work.office.links.remove(document_id, kind, target_id):
            facts = {"kind": kind.value, "target": target_id}
            await work.events.append(EventKind.DOCUMENT_UNLINKED, document_id, services.clock.now(), facts)
            await work.commit()


async def links_of(work: OfficeWork, id: str) -> Sequence[SeenLink]:
    """List the links of a document, in both directions, with the numbers of the others."""
    links = []
    for link in await work.office.links.of_document(id):
        other_id = link.target_id if link.document_id == id else link.document_id
        document = await load_document(work, other_id)
        code = (document.draft if isinstance(document, OutgoingDocument) else document).code
        links.append(
            SeenLink(link=link, is_target=link.document_id == id, id=other_id, code=code or other_id)
        )
    return links


async def _find_target(work: OfficeWork, text: str, year: int) -> Document:
    """Find the one document with that id, or that number and symbol: of ours, in this year or the one before."""
    if text.startswith(("inb_", "msg_")):
        return await load_document(work, text)
    number, _, symbol = text.partition("/")
    documents: list[Document] = [*await work.incoming.numbered(number, symbol)] if symbol else []
    for own_year in (year, year - 1) if symbol else ():
        documents += await work.numbers.under(number, symbol, own_year)
    if len(documents) != 1:
        raise Clash(f"{len(documents)} documents have the number {text[:80]!r}", code="GW-LINK-DOCUMENT")
    return documents[0]


def _issuer(document: Document) -> str:
    """Return the code or the name of the agency that issued a document; empty for our own."""
    if isinstance(document, IncomingDocument):
        return document.sender_code or fold(document.sender_name or "?")
    return ""
