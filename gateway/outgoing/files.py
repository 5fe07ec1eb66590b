"""Reading what was handed in or sent: one file of an outgoing document, or its envelope byte for byte; and sealing what is
suspected to be a secret, so that nobody reads it any more (R4). In: ids of one's own agency. Out: a stream of the bytes
that were accepted; when the store has others, nothing is given out and everybody is told. Or: nothing of a sealed
document leaves any more; what has left is the recipients' to seal: the notice says so, and a recall still works.
Once packed a file lies in its envelope alone, and is decoded out of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from gateway import holding
from gateway.domain.account import AgencyScope
from gateway.domain.document import FileItem, Kind, OutgoingDocument, OutState
from gateway.domain.forms import Handed
from gateway.domain.hold import Decision, HeldKind, Hold
from gateway.domain.identity import Digest
from gateway.edxml import attachment, canonical, forms
from gateway.edxml.attachment import pieces
from gateway.errors import Clash, NotFound
from gateway.holding import HoldServices, Suspect, freeze
from gateway.outgoing import stopping
from gateway.outgoing.services import OutgoingServices
from gateway.stored_content import OpenFile, altered, refuse_altered, streamed

if TYPE_CHECKING:
    from gateway.store.work import SqlWork
    from gateway.trust.hold_seal import KeyUnsealer


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenEnvelope:
    """An envelope to read; `open` is sync."""

    digest: Digest
    size: int
    open: Callable[[], BinaryIO]


async def open_envelope(
    services: OutgoingServices, work: SqlWork, document: OutgoingDocument, to: str | None = None
) -> OpenEnvelope:
    """The one that was signed; for a recipient the file that its axis was handed last. Clash while there is none, NotFound
    for who is no recipient."""
    refuse_sealed(document)
    if document.envelope_digest is None or document.envelope_size is None:
        raise Clash(f"{document.id} is {document.state}: it has no envelope yet")
    opener, size = await services.blobs.open(work, document.envelope_digest), document.envelope_size
    handed = None if to is None else await _handed(work, document, to)
    if handed is None:
        return OpenEnvelope(digest=document.envelope_digest, size=size, open=opener)
    return OpenEnvelope(
        digest=handed.digest, size=handed.size, open=forms.again(handed, opener, size, services.xml)
    )


async def _handed(work: SqlWork, document: OutgoingDocument, to: str) -> Handed | None:
    wanted = to.casefold()
    found = [
        each for each in await work.deliveries.of(document.id) if each.recipient.code.casefold() == wanted
    ]
    if not found:
        raise NotFound(f"{document.id} has no recipient {to}")
    sent = [fact for fact in await work.facts.of(found[0].id) if fact.code == "sent"]
    return sent[-1].handed if sent else None


async def open_file(services: OutgoingServices, scope: AgencyScope, id: str, n: int) -> OpenFile:
    """The n-th file as it was handed in; NotFound when there is none, Clash when it may not be read."""
    async with services.store.read(scope) as work:
        document = await work.outgoing.get(id)
        refuse_sealed(document)
        item = next((one for one in document.files if one.n == n), None)
        if item is None:
            raise NotFound(f"{id} has {len(document.files)} files; there is no file {n}")
        is_packed = document.envelope_digest is not None
        opener = await services.blobs.open(work, document.envelope_digest or item.sha256)
    if is_packed:
        start = await _in_envelope(services, scope, document, item, opener)
    else:
        start = partial(pieces, opener)
        await refuse_altered(services, scope, document.id, start, item.sha256)
    return OpenFile(
        name=item.name,
        content_type=item.content_type,
        size=item.size,
        sha256=item.sha256,
        pieces=streamed(services.pool, start()),
    )


async def _in_envelope(
    services: OutgoingServices,
    scope: AgencyScope,
    document: OutgoingDocument,
    item: FileItem,
    opener: Callable[[], BinaryIO],
) -> Callable[[], Iterator[bytes]]:
    """Where the file lies. One pass over the envelope proves its digests, and with them the file's own."""
    size = document.envelope_size or 0
    read = await services.pool.run(lambda: canonical.read_fast(pieces(opener), size, services.xml))
    part = next((one for one in read.files if one.n == item.n), None) if read is not None else None
    if part is None or part.sha256 != item.sha256:
        found = part.sha256 if part is not None else None
        raise await altered(services, scope, document.id, item.sha256, found)
    return partial(_decoded, opener, part.offset, part.length, part.coding)


def _decoded(opener: Callable[[], BinaryIO], offset: int, length: int, coding: str) -> Iterator[bytes]:
    return attachment.decoded_pieces(attachment.pieces(opener, offset, length), coding)


async def seal_document(
    services: OutgoingServices, hold: HoldServices, scope: AgencyScope, id: str, why: str
) -> Hold:
    """The document with its updates and replacements, whichever update is named. Clash when it is sealed already."""
    async with services.store.begin(scope) as work:
        named = await work.outgoing.get(id)
        is_part = named.kind is Kind.UPDATE and named.parent_id is not None
        whole = await work.outgoing.get(named.parent_id or "") if is_part else named
        parts = await _parts(work, whole)
        suspect = Suspect(
            kind=HeldKind.OUTGOING,
            subject_id=whole.id,
            before=whole.state,
            owners=[(kind, one.id) for one in parts for kind in ("source", "envelope")],
            document_id=whole.document_id,
            leftovers=[file.sha256 for one in parts for file in one.files],
        )
        begun = await freeze(services.clock, work, suspect, why)
        for one in parts:
            await _stop_sealed(services, work, one)
        await work.commit()
    return await holding.settle(hold, scope, begun.id)


async def lift_seal(
    services: OutgoingServices,
    hold: HoldServices,
    scope: AgencyScope,
    hold_id: str,
    decision: Decision,
    key: KeyUnsealer | None,
) -> Hold:
    """The exact bytes are where they were. What was stopped stays stopped: it is sent as a new document."""
    brought_back = await holding.bring_back(hold, scope, hold_id, key)
    async with services.store.begin(scope) as work:
        lifted = await holding.lift(work, hold_id, decision, brought_back)
        if lifted.kind is not HeldKind.OUTGOING:
            raise Clash(f"the hold {hold_id} is of something that came in")
        whole = await work.outgoing.get(lifted.subject_id)
        for one in await _parts(work, whole):
            if one.is_sealed:
                # Also what a courier held when it was sealed, and could not send.
                await _stop_leaving(services, work, one)
                await work.outgoing.save(replace(one, is_sealed=False))
        await work.commit()
    return await holding.settle(hold, scope, hold_id)


async def _parts(work: SqlWork, whole: OutgoingDocument) -> Sequence[OutgoingDocument]:
    """The document with every update and replacement of it, and theirs."""
    parts = [whole]
    for one in parts:
        children = await work.outgoing.children(one.id)
        parts += [child for child in children if child.kind in (Kind.UPDATE, Kind.REPLACEMENT)]
    return parts


def refuse_sealed(document: OutgoingDocument) -> None:
    """Clash for a document of which nothing may leave or be read."""
    if document.is_sealed:
        raise Clash(f"the content of {document.id} cannot be read: it is sealed", code="GW-UNREADABLE")


async def _stop_sealed(services: OutgoingServices, work: SqlWork, document: OutgoingDocument) -> None:
    await _stop_leaving(services, work, document)
    stopped = document.state in (OutState.QUEUED, OutState.PAPER, OutState.BLOCKED)
    state = OutState.CANCELLED if stopped else document.state
    await work.outgoing.save(replace(document, state=state, is_sealed=True))


async def _stop_leaving(services: OutgoingServices, work: SqlWork, document: OutgoingDocument) -> None:
    """Nothing that still waits leaves. A packet that a courier holds at this moment has left."""
    if document.state is OutState.QUEUED:
        await work.jobs.cancel("pack", document.id)
    rows = await stopping.stop_rows(services, work, document.id)
    deliveries = await work.deliveries.of(document.id)
    waiting = [each for each in deliveries if each.state in ("queued", "sending", "paper")]
    await stopping.cancel_deliveries(services, work, waiting, rows)
