"""Stored content, given out only while the store has the original bytes. In: a way to read it, and the digest that it must
have. Out: a file to stream, its pieces made in the pool; AlteredContent, with an alert, where the store has other bytes."""

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


class ReadingServices(Protocol):
    """Services that reading needs, common to both directions."""

    @property
    def store(self) -> SqlStore: ...

    @property
    def pool(self) -> Pool: ...

    @property
    def clock(self) -> Clock: ...


async def check_unaltered(
    services: ReadingServices, scope: AgencyScope, id: str, start: Start, expected: Digest
) -> None:
    """Check the digest before the first byte is given out, as sent bytes cannot be taken back."""
    actual = await services.pool.run(partial(_digest, start))
    if actual != expected:
        raise await report_altered(services, scope, id, expected, actual)


async def report_altered(
    services: ReadingServices, scope: AgencyScope, id: str, expected: Digest, actual: Digest | None
) -> AlteredContent:
    """Write the alert, and return the error to raise."""
    log.action(_log, "content.altered", "the store has other bytes", document=id, wanted=expected)
    async with services.store.begin(scope) as work:
        facts = {"wanted": expected, "found": actual or ""}
        await work.events.append(EventKind.ALERT_CONTENT, id, services.clock.now(), facts)
        await work.commit()
    return AlteredContent(
        f"what the content store has of {id} is not what was kept (SHA-256 {expected}); bring the content folder back from "
        "a backup, and find out who changed it"
    )


def _digest(start: Start) -> Digest | None:
    """Hash the content; None where altered bytes cannot even be decoded."""
    hasher = hashlib.sha256()
    try:
        for piece in start():
            hasher.update(piece)
    except CannotOpen:
        return None
    return Digest.of_bytes(hasher.digest())


async def stream_pieces(pool: Pool, pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Yield pieces made in the pool, without reading ahead: memory holds a single piece."""
    while piece := await pool.run(partial(next, pieces, b"")):
        yield piece
