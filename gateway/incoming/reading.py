"""Reads admitted documents: their files, and their envelopes byte for byte. In: ids of one's own agency. Out: a stream of
the admitted bytes. Altered bytes are not given out, and raise an alarm. The files of a recalled document are unreadable at
once (R70, recall)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gateway.domain.account import AgencyScope
from gateway.domain.document import IncomingDocument, InState
from gateway.edxml.attachment import pieces
from gateway.errors import Clash, NotFound
from gateway.incoming.check import decoded
from gateway.incoming.services import IncomingServices
from gateway.stored_content import (
    Door,
    OpenFile,
    check_unaltered,
    note_reading,
    refuse_destroyed,
    stream_pieces,
)

if TYPE_CHECKING:
    from gateway.store.work import SqlWork

_WHY_UNREADABLE = {
    InState.RECALLED: "its sender recalled it and the recall was agreed",
    InState.SEALED: "it is sealed",
}


async def open_file(
    services: IncomingServices, scope: AgencyScope, incoming_id: str, n: int, door: Door = Door.API
) -> OpenFile:
    """Open the n-th file, decoded as a person would open it. NotFound when there is none, Clash when it may not be
    read."""
    async with services.store.read(scope) as work:
        document = await load_readable(work, incoming_id)
        file = next((f for f in document.files if f.n == n), None)
        if file is None:
            raise NotFound(f"{incoming_id} has {len(document.files)} files; there is no file {n}")
        opener = await services.blobs.open(work, file.source)
    start = partial(decoded, opener, file.offset, file.length, file.coding)
    await check_unaltered(services, scope, incoming_id, start, file.sha256)
    await note_reading(services, scope, incoming_id, file.name, door)
    return OpenFile(
        name=file.name,
        content_type=file.found_type or file.content_type,
        size=file.size,
        sha256=file.sha256,
        pieces=stream_pieces(services.pool, start()),
    )


async def open_envelope(
    services: IncomingServices, scope: AgencyScope, incoming_id: str, door: Door = Door.API
) -> OpenFile:
    """Open the envelope as it arrived; Clash when it may not be read."""
    async with services.store.read(scope) as work:
        document = await load_readable(work, incoming_id)
        opener = await services.blobs.open(work, document.envelope_digest)
    start = partial(pieces, opener)
    await check_unaltered(services, scope, incoming_id, start, document.envelope_digest)
    name = f"{incoming_id}.edxml"
    await note_reading(services, scope, incoming_id, name, door)
    return OpenFile(
        name=name,
        content_type="application/xml",
        size=document.envelope_size,
        sha256=document.envelope_digest,
        pieces=stream_pieces(services.pool, start()),
    )


async def load_readable(work: SqlWork, incoming_id: str) -> IncomingDocument:
    """Load a document whose files may be read; raise Clash otherwise. An update shares its files with its document, so it
    is as unreadable as that one."""
    document = await work.incoming.get(incoming_id)
    target = document if document.target_id is None else await work.incoming.get(document.target_id)
    for checked in (document, target):
        if (why := _WHY_UNREADABLE.get(checked.state)) is not None:
            raise Clash(f"the files of {checked.id} cannot be read: {why}", code="GW-UNREADABLE")
        refuse_destroyed(checked)
    return document
