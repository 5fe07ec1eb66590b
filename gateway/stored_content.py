"""Content as it is given out: only while the store has what was kept. In: a way to read it, and the digest that it must
have. Out: a file to stream, its pieces made in the pool; AlteredContent, with an alert, where the store has other
bytes."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

from gateway import log
from gateway.domain.account import AgencyScope
from gateway.domain.event import EventKind
from gateway.domain.identity import Digest
from gateway.errors import AlteredContent, CannotOpen
from gateway.ports.services import Clock, Pool

if TYPE_CHECKING:
    from gateway.store.store import SqlStore

_log = logging.getLogger(__name__)
Start = Callable[[], Iterator[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenFile:
    """A file to stream out. `pieces` is read once."""

    name: str
    content_type: str
    size: int
    sha256: Digest
    pieces: AsyncIterator[bytes]


class ReadingDesk(Protocol):
    """What reading needs of the tools of either way."""

    @property
    def store(self) -> SqlStore: ...

    @property
    def pool(self) -> Pool: ...

    @property
    def clock(self) -> Clock: ...


async def refuse_altered(
    desk: ReadingDesk, scope: AgencyScope, id: str, start: Start, wanted: Digest
) -> None:
    """Before the first byte is given out: afterwards nobody could take it back."""
    found = await desk.pool.run(partial(_digest, start))
    if found != wanted:
        raise await altered(desk, scope, id, wanted, found)


async def altered(
    desk: ReadingDesk, scope: AgencyScope, id: str, wanted: Digest, found: Digest | None
) -> AlteredContent:
    """The alert is written; the error is to be raised."""
    log.action(_log, "content.altered", "the store has other bytes", document=id, wanted=wanted)
    async with desk.store.begin(scope) as work:
        told = {"wanted": wanted, "found": found or ""}
        await work.events.append(EventKind.ALERT_CONTENT, id, desk.clock.now(), told)
        await work.commit()
    return AlteredContent(
        f"what the content store has of {id} is not what was kept (SHA-256 {wanted}); bring the content folder back from "
        "a backup, and find out who changed it"
    )


def _digest(start: Start) -> Digest | None:
    """None where the altered bytes cannot even be decoded."""
    hasher = hashlib.sha256()
    try:
        for piece in start():
            hasher.update(piece)
    except CannotOpen:
        return None
    return Digest.of_bytes(hasher.digest())


async def streamed(pool: Pool, pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Pieces made in the pool, one ahead of none: memory holds a single piece."""
    while piece := await pool.run(partial(next, pieces, b"")):
        yield piece
