"""Sends a document that has left to more agencies (R117, number used twice). In: its id, and the new recipients. Out: a
new document with the same number, date and files, for these recipients alone; the earlier one is not changed."""

from __future__ import annotations

from dataclasses import replace

from gateway.domain.account import AgencyScope
from gateway.domain.document import OutgoingDocument, Recipient
from gateway.domain.outgoing_acts import Act
from gateway.outgoing import accept, files, refusing
from gateway.outgoing.intake import Accepted, Once, Order, receive_files
from gateway.outgoing.services import OutgoingServices
from gateway.stored_content import Door


async def send_to_more(
    services: OutgoingServices,
    scope: AgencyScope,
    id: str,
    recipients: tuple[Recipient, ...],
    confirm: tuple[str, ...] = (),
    once: Once | None = None,
) -> Accepted:
    """Send the document to more recipients. Refused with every reason; one reason is a recipient that has it already."""
    async with services.store.read(scope) as work:
        document = await refusing.require_by_id(work, id, Act.ADD_RECIPIENTS)
    draft = replace(document.draft, external_id=None, callback_data=None, recipients=recipients)
    return await accept_with_files(services, scope, document, Order(draft=draft, confirm=confirm), once)


async def accept_with_files(
    services: OutgoingServices,
    scope: AgencyScope,
    document: OutgoingDocument,
    order: Order,
    once: Once | None = None,
) -> Accepted:
    """Accept an order with the files of an earlier document."""
    async with receive_files(services) as request_files:
        for file in document.files:
            opened = await files.open_file(services, scope, document.id, file.n, Door.NODE)
            await request_files.add(file.role, file.name, file.role, opened.pieces)
        return await accept.accept(services, scope, order, request_files, once)
