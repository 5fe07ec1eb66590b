"""Reading what was handed in or sent: one file of an outgoing document, or its envelope byte for byte. In: ids of one's own
agency. Out: a stream of the bytes that were accepted; when the store has others, nothing is given out and everybody is
told. Once packed a file lies in its envelope alone, and is decoded out of it."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO

from gateway import log
from gateway.domain.account import AgencyScope
from gateway.domain.document import FileItem, OutgoingDocument
from gateway.domain.event import EventKind
from gateway.domain.identity import Digest
from gateway.edxml import attachment, canonical
from gateway.errors import AlteredContent, CannotOpen, NotFound
from gateway.outgoing import seal
from gateway.outgoing.desk import OutDesk
from gateway.outgoing.package import pieces

_log = logging.getLogger(__name__)
PIECE = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenFile:
    """A file to stream out. `pieces` is read once."""

    name: str
    content_type: str
    size: int
    sha256: Digest
    pieces: AsyncIterator[bytes]


async def open_file(desk: OutDesk, scope: AgencyScope, id: str, n: int) -> OpenFile:
    """The n-th file as it was handed in; NotFound when there is none, Clash when it may not be read."""
    async with desk.store.read(scope) as work:
        document = await work.outgoing.get(id)
        seal.refuse_sealed(document)
        item = next((one for one in document.files if one.n == n), None)
        if item is None:
            raise NotFound(f"{id} has {len(document.files)} files; there is no file {n}")
        is_packed = document.envelope_digest is not None
        opener = await desk.blobs.open(work, document.envelope_digest or item.sha256)
    start = (
        await _in_envelope(desk, scope, document, item, opener)
        if is_packed
        else await _as_handed_in(desk, scope, document, item.sha256, opener)
    )
    return OpenFile(
        name=item.name,
        content_type=item.content_type,
        size=item.size,
        sha256=item.sha256,
        pieces=_streamed(desk, start),
    )


async def _as_handed_in(
    desk: OutDesk,
    scope: AgencyScope,
    document: OutgoingDocument,
    wanted: Digest,
    opener: Callable[[], BinaryIO],
) -> Callable[[], Iterator[bytes]]:
    """Before the first byte is given out: afterwards nobody could take it back."""
    start = partial(pieces, opener)
    found = await desk.pool.run(partial(_digest, start))
    if found != wanted:
        raise await _altered(desk, scope, document.id, wanted, found)
    return start


async def _in_envelope(
    desk: OutDesk,
    scope: AgencyScope,
    document: OutgoingDocument,
    item: FileItem,
    opener: Callable[[], BinaryIO],
) -> Callable[[], Iterator[bytes]]:
    """Where the file lies. One pass over the envelope proves its digests, and with them the file's own."""
    size = document.envelope_size or 0
    read = await desk.pool.run(lambda: canonical.read_fast(pieces(opener), size, desk.xml))
    part = next((one for one in read.files if one.n == item.n), None) if read is not None else None
    if part is None or part.sha256 != item.sha256:
        found = part.sha256 if part is not None else None
        raise await _altered(desk, scope, document.id, item.sha256, found)
    return partial(_decoded, opener, part.offset, part.length, part.coding)


def _decoded(opener: Callable[[], BinaryIO], offset: int, length: int, coding: str) -> Iterator[bytes]:
    return attachment.decoded_pieces(_slice(opener, offset, length), coding)


def _slice(opener: Callable[[], BinaryIO], offset: int, length: int) -> Iterator[bytes]:
    with opener() as file:
        file.seek(offset)
        while length > 0 and (piece := file.read(min(PIECE, length))):
            length -= len(piece)
            yield piece


def _digest(start: Callable[[], Iterator[bytes]]) -> Digest | None:
    hasher = hashlib.sha256()
    try:
        for piece in start():
            hasher.update(piece)
    except CannotOpen:
        return None
    return Digest.of_bytes(hasher.digest())


async def _altered(
    desk: OutDesk, scope: AgencyScope, id: str, wanted: Digest, found: Digest | None
) -> AlteredContent:
    log.action(_log, "content.altered", "the store has other bytes", document=id, wanted=wanted)
    async with desk.store.begin(scope) as work:
        told = {"wanted": wanted, "found": found or ""}
        await work.events.append(EventKind.ALERT_CONTENT, id, desk.clock.now(), told)
        await work.commit()
    return AlteredContent(
        f"what the content store has of {id} is not what was accepted (SHA-256 {wanted}); bring the content folder back "
        "from a backup, and find out who changed it"
    )


async def _streamed(desk: OutDesk, start: Callable[[], Iterator[bytes]]) -> AsyncIterator[bytes]:
    """Pieces made in the pool, one ahead of none: memory holds a single piece."""
    running = start()
    while piece := await desk.pool.run(partial(next, running, b"")):
        yield piece
