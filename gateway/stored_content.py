"""Gives out stored content only while the store has the original bytes. In: a function that reads it, and its recorded
digest. Out: a file to stream, read in the pool; AlteredContent, with an alert, where the stored bytes differ."""

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
    """File to stream out. `pieces` can be read once."""

    name: str
    content_type: str
    size: int
    sha256: Digest
    pieces: AsyncIterator[bytes]


class ReadingServices(Protocol):
    """Services needed for reading content, for outgoing and incoming documents alike."""

    @property
    def store(self) -> SqlStore: ...

    @property
    def pool(self) -> Pool: ...

    @property
    def clock(self) -> Clock: ...


async def check_unaltered(
    services: ReadingServices, scope: AgencyScope, id: str, start: Start, expected: Digest
) -> None:
    """Raise AlteredContent unless the content has the expected digest. The caller checks before the first byte is sent,
    because sent bytes cannot be taken back."""
    actual = await services.pool.run(partial(_digest, start))
    if actual != expected:
        raise await report_altered(services, scope, id, expected, actual)


async def report_altered(
    services: ReadingServices, scope: AgencyScope, id: str, expected: Digest, actual: Digest | None
) -> AlteredContent:
    """Record the alert, and return the error to raise."""
    log.action(_log, "content.altered", "the store has other bytes", document=id, wanted=expected)
    async with services.store.changing(scope) as work:
        facts = {"wanted": expected, "found": actual or ""}
        await work.events.append(EventKind.ALERT_CONTENT, id, services.clock.now(), facts)
    return AlteredContent(
        f"what the content store has of {id} is not what was kept (SHA-256 {expected}); bring the content folder back from "
        "a backup, and find out who changed it"
    )


def _digest(start: Start) -> Digest | None:
    """Return the digest of the content; None where it is altered so that it cannot be decoded."""
    hasher = hashlib.sha256()
    try:
        for piece in start():
            hasher.update(piece)
    except CannotOpen:
        return None
    return Digest.of_bytes(hasher.digest())


async def stream_pieces(pool: Pool, pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the pieces, each read in the pool when it is asked for, so that memory holds only one."""
    while piece := await pool.run(partial(next, pieces, b"")):
        yield piece
