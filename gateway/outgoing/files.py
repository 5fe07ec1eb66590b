"""Reads one file of an outgoing document, or its envelope byte for byte; and seals a document that is suspected to
contain a secret (R4, sealed content). In: ids of documents of one's own agency. Out: a stream of the accepted bytes;
where the store has other bytes, nothing is given out and an alert is raised. Nothing of a sealed document leaves any
more; copies that have left must be sealed by their recipients, as the notice says, and a recall still works. The files of
a packed document are stored only inside its envelope, and decoded from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from gateway import ending, holding
from gateway.domain.account import AgencyScope
from gateway.domain.document import STANDING, FileItem, Kind, OutgoingDocument, OutState
from gateway.domain.forms import Handed
from gateway.domain.hold import Decision, HeldKind, Hold
from gateway.domain.identity import Digest
from gateway.domain.states import State
from gateway.edxml import attachment, canonical, forms
from gateway.edxml.attachment import pieces
from gateway.errors import Clash, NotFound
from gateway.holding import HoldService, Suspect, freeze
from gateway.outgoing import stopping
from gateway.outgoing.services import OutgoingServices
from gateway.stored_content import (
    Door,
    OpenFile,
    check_unaltered,
    note_reading,
    refuse_destroyed,
    report_altered,
    stream_pieces,
)

if TYPE_CHECKING:
    from gateway.store.work import SqlWork
    from gateway.trust.hold_seal import KeyUnsealer


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenEnvelope:
    """Envelope that is ready to be read; `open` blocks."""

    digest: Digest
    size: int
    open: Callable[[], BinaryIO]


async def open_envelope(
    services: OutgoingServices, work: SqlWork, document: OutgoingDocument, to: str | None = None
) -> OpenEnvelope:
    """Open the document's signed envelope; with `to`, the file that the axis last got for that recipient. Raises Clash
    while there is no envelope, and NotFound for a code that is no recipient."""
    refuse_sealed(document)
    if document.envelope_digest is None or document.envelope_size is None:
        raise Clash(f"{document.id} is {document.state}: it has no envelope yet")
    opener, size = await services.blobs.open(work, document.envelope_digest), document.envelope_size
    handed = None if to is None else await _find_handed(work, document, to)
    if handed is None:
        return OpenEnvelope(digest=document.envelope_digest, size=size, open=opener)
    return OpenEnvelope(
        digest=handed.digest, size=handed.size, open=forms.reopen(handed, opener, size, services.xml)
    )


async def _find_handed(work: SqlWork, document: OutgoingDocument, to: str) -> Handed | None:
    """Find the file in another form that the axis last got for this recipient; None for the standard one."""
    code = to.casefold()
    deliveries = [
        d for d in await work.deliveries.of_document(document.id) if d.recipient.code.casefold() == code
    ]
    if not deliveries:
        raise NotFound(f"{document.id} has no recipient {to}")
    sent = [fact for fact in await work.facts.of_subject(deliveries[0].id) if fact.code == State.SENT]
    return sent[-1].handed if sent else None


async def open_file(
    services: OutgoingServices, scope: AgencyScope, id: str, n: int, door: Door = Door.API
) -> OpenFile:
    """Open the n-th file, with the bytes that were accepted. NotFound when there is none, Clash when it may not be
    read."""
    async with services.store.read(scope) as work:
        document = await work.outgoing.get(id)
        refuse_sealed(document)
        file = next((f for f in document.files if f.n == n), None)
        if file is None:
            raise NotFound(f"{id} has {len(document.files)} files; there is no file {n}")
        is_packed = document.envelope_digest is not None
        opener = await services.blobs.open(work, document.envelope_digest or file.sha256)
    if is_packed:
        start = await _locate_in_envelope(services, scope, document, file, opener)
    else:
        start = partial(pieces, opener)
        await check_unaltered(services, scope, document.id, start, file.sha256)
    await note_reading(services, scope, document.id, file.name, door)
    return OpenFile(
        name=file.name,
        content_type=file.content_type,
        size=file.size,
        sha256=file.sha256,
        pieces=stream_pieces(services.pool, start()),
    )


async def _locate_in_envelope(
    services: OutgoingServices,
    scope: AgencyScope,
    document: OutgoingDocument,
    file: FileItem,
    opener: Callable[[], BinaryIO],
) -> Callable[[], Iterator[bytes]]:
    """Return a function that starts decoding the file from the envelope. One pass over the envelope first proves its
    digests, and with them the file's."""
    size = document.envelope_size or 0
    read = await services.pool.run(lambda: canonical.read_fast(pieces(opener), size, services.xml))
    part = next((f for f in read.files if f.n == file.n), None) if read is not None else None
    if part is None or part.sha256 != file.sha256:
        actual = part.sha256 if part is not None else None
        raise await report_altered(services, scope, document.id, file.sha256, actual)
    return partial(_decode, opener, part.offset, part.length, part.coding)


def _decode(opener: Callable[[], BinaryIO], offset: int, length: int, coding: str) -> Iterator[bytes]:
    return attachment.decoded_pieces(attachment.pieces(opener, offset, length), coding)


async def seal_document(
    services: OutgoingServices, hold: HoldService, scope: AgencyScope, id: str, why: str
) -> Hold:
    """Seal the document together with its updates and replacements, also where `id` names one of its updates. Raises
    Clash when it is sealed already."""
    async with services.store.changing(scope) as work:
        requested = await work.outgoing.get(id)
        is_part = requested.kind is Kind.UPDATE and requested.parent_id is not None
        document = await work.outgoing.get(requested.parent_id or "") if is_part else requested
        parts = await _list_parts(work, document)
        suspect = Suspect(
            kind=HeldKind.OUTGOING,
            subject_id=document.id,
            prior_state=document.state,
            owners=[(kind, part.id) for part in parts for kind in ("source", "envelope")],
            document_id=document.document_id,
            leftovers=[file.sha256 for part in parts for file in part.files],
        )
        begun = await freeze(services.clock, work, suspect, why)
        for part in parts:
            await _stop_leaving(services, work, replace(part, is_sealed=True))
    return await holding.settle(hold, scope, begun.id)


async def lift_seal(
    services: OutgoingServices,
    hold: HoldService,
    scope: AgencyScope,
    hold_id: str,
    decision: Decision,
    key: KeyUnsealer | None,
) -> Hold:
    """Lift the seal of a document, restoring its exact bytes. Stopped deliveries stay stopped: the content has to be sent
    as a new document."""
    brought_back = await holding.bring_back(hold, scope, hold_id, key)
    async with services.store.changing(scope) as work:
        lifted = await holding.lift(work, hold_id, decision, brought_back)
        if lifted.kind is not HeldKind.OUTGOING:
            raise Clash(f"the hold {hold_id} is of something that came in")
        document = await work.outgoing.get(lifted.subject_id)
        for part in await _list_parts(work, document):
            if part.is_sealed:
                # This also stops a row that a courier held at the time of sealing, and could not send.
                await _stop_leaving(services, work, replace(part, is_sealed=False))
    return await holding.settle(hold, scope, hold_id)


async def _list_parts(work: SqlWork, document: OutgoingDocument) -> Sequence[OutgoingDocument]:
    """List the document, its updates and replacements, and theirs in turn."""
    parts = [document]
    for part in parts:
        children = await work.outgoing.children(part.id)
        parts += [child for child in children if child.kind in (Kind.UPDATE, Kind.REPLACEMENT)]
    return parts


def refuse_sealed(document: OutgoingDocument) -> None:
    """Raise Clash for a sealed or destroyed document: nothing of it may leave or be read."""
    if document.is_sealed:
        raise Clash(f"the content of {document.id} cannot be read: it is sealed", code="GW-UNREADABLE")
    refuse_destroyed(document)


async def _stop_leaving(services: OutgoingServices, work: SqlWork, document: OutgoingDocument) -> None:
    """Save the document, and stop all deliveries that still wait; a document ends where nothing of it has left. Deliveries
    that a courier holds at this moment, and those handed over on paper, count as having left."""
    if document.state is OutState.QUEUED:
        await work.jobs.cancel("pack", document.id)
    rows = await stopping.stop_rows(services, work, document.id)
    handed = {part.delivery_id for part in await work.paper.of_document(document.id) if part.handed_over}
    departed_ids = {*rows.in_hand, *handed}
    deliveries = await work.deliveries.of_document(document.id)
    waiting = [d for d in deliveries if d.state in stopping.UNSENT and d.id not in departed_ids]
    if document.state in STANDING and len(waiting) == len(deliveries):
        await stopping.end_document(services, work, document, waiting, rows, {ending.SEALED: True})
        return
    await work.outgoing.save(document)
    await stopping.cancel_deliveries(services, work, [d for d in waiting if d.state != State.FAILED], rows)
