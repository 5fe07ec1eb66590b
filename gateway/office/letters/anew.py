"""A corrected document begins as a draft that says what the refused one said. In: a document that recipients refused. Out:
a draft to these recipients with the same files, for a person to correct and send; the earlier one stays as it is (R117)."""

from __future__ import annotations

from dataclasses import replace

from gateway.domain.account import AgencyScope
from gateway.domain.document import Kind, OutgoingDocument
from gateway.errors import Clash, NotFound
from gateway.office.letters import further
from gateway.outgoing import accept, files
from gateway.outgoing.desk import OutDesk
from gateway.outgoing.intake import tray
from gateway.outgoing.order import Order


async def begin(desk: OutDesk, scope: AgencyScope, id: str) -> OutgoingDocument:
    """Clash when nobody refused it."""
    async with desk.store.read(scope) as work:
        document = await work.outgoing.get(id)
        deliveries = await work.deliveries.of(id)
    further.check(document)
    refused = tuple(each.recipient for each in deliveries if each.state == "rejected")
    if not refused:
        raise Clash(f"no recipient has refused {id}")
    draft = replace(document.draft, external_id=None, callback_data=None, recipients=refused)
    order = Order(draft=draft, send=False, kind=Kind.DOCUMENT)
    async with tray(desk) as held:
        for item in document.files:
            opened = await files.open_file(desk, scope, id, item.n)
            await held.add(item.role, item.name, item.role, opened.pieces)
        accepted = await accept.accept(desk, scope, order, held, None)
    if accepted.document is None:
        raise NotFound("the draft was begun, and is not there")
    return accepted.document
