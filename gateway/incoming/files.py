"""Reading what was admitted: one file of a document, or its envelope byte for byte. In: ids of one's own agency. Out: a
stream of the bytes that were taken in; when the store has others, nothing is given out and everybody is told. A
recalled document's files are unreadable at once (R70); nothing is decoded before it is asked for."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from functools import partial

from gateway import log
from gateway.domain.account import AgencyScope
from gateway.domain.document import IncomingDocument, InState
from gateway.domain.event import EventKind
from gateway.domain.identity import Digest
from gateway.errors import AlteredContent, CannotOpen, Clash, NotFound
from gateway.incoming.check import decoded
from gateway.incoming.desk import InDesk
from gateway.incoming.verify import pieces
from gateway.ports import Work

_log = logging.getLogger(__name__)
UNREADABLE = {
    InState.RECALLED: "its sender recalled it and the recall was agreed",
    InState.SEALED: "it is sealed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenFile:
    """A file to stream out. `pieces` is read once."""

    name: str
    content_type: str
    size: int
    sha256: Digest
    pieces: AsyncIterator[bytes]


async def open_file(desk: InDesk, scope: AgencyScope, incoming_id: str, n: int) -> OpenFile:
    """The n-th file as a person would open it; NotFound when there is none, Clash when it may not be read."""
    async with desk.store.read(scope) as work:
        document = await _readable(work, incoming_id)
        file = next((one for one in document.files if one.n == n), None)
        if file is None:
            raise NotFound(f"{incoming_id} has {len(document.files)} files; there is no file {n}")
        opener = await desk.blobs.open(work, file.source)
    start = partial(decoded, opener, file.offset, file.length, file.coding)
    await _unaltered(desk, scope, incoming_id, start, file.sha256)
    return OpenFile(
        name=file.name,
        content_type=file.found_type or file.content_type,
        size=file.size,
        sha256=file.sha256,
        pieces=_streamed(desk, start),
    )


async def open_envelope(desk: InDesk, scope: AgencyScope, incoming_id: str) -> OpenFile:
    """The envelope as it arrived."""
    async with desk.store.read(scope) as work:
        document = await _readable(work, incoming_id)
        opener = await desk.blobs.open(work, document.envelope_digest)
    start = partial(pieces, opener)
    await _unaltered(desk, scope, incoming_id, start, document.envelope_digest)
    return OpenFile(
        name=f"{incoming_id}.edxml",
        content_type="application/xml",
        size=document.envelope_size,
        sha256=document.envelope_digest,
        pieces=_streamed(desk, start),
    )


async def _unaltered(
    desk: InDesk, scope: AgencyScope, incoming_id: str, start: Callable[[], Iterator[bytes]], wanted: Digest
) -> None:
    """Before the first byte is given out: afterwards nobody could take it back. AlteredContent, with an alert."""
    found = await desk.pool.run(partial(_digest, start))
    if found == wanted:
        return
    log.action(_log, "content.altered", "the store has other bytes", document=incoming_id, wanted=wanted)
    async with desk.store.begin(scope) as work:
        told = {"wanted": wanted, "found": found or ""}
        await work.events.append(EventKind.ALERT_CONTENT, incoming_id, desk.clock.now(), told)
        await work.commit()
    raise AlteredContent(
        f"what the content store has of {incoming_id} is not what was taken in (SHA-256 {wanted}); bring the content "
        "folder back from a backup, and find out who changed it"
    )


def _digest(start: Callable[[], Iterator[bytes]]) -> Digest | None:
    """None where the altered bytes cannot even be decoded."""
    hasher = hashlib.sha256()
    try:
        for piece in start():
            hasher.update(piece)
    except CannotOpen:
        return None
    return Digest.of_bytes(hasher.digest())


async def _readable(work: Work, incoming_id: str) -> IncomingDocument:
    """An update of a recalled document brought that document's files, so it is as unreadable."""
    document = await work.incoming.get(incoming_id)
    whose = document if document.target_id is None else await work.incoming.get(document.target_id)
    for one in (document, whose):
        if (why := UNREADABLE.get(one.state)) is not None:
            raise Clash(f"the files of {one.id} cannot be read: {why}", code="GW-UNREADABLE")
    return document


async def _streamed(desk: InDesk, start: Callable[[], Iterator[bytes]]) -> AsyncIterator[bytes]:
    """Pieces made in the pool, one ahead of none: memory holds a single piece."""
    running = start()
    while piece := await desk.pool.run(partial(next, running, b"")):
        yield piece
