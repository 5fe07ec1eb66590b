"""Gives out stored content only while the store has the original bytes, and records readings of programs (R123, history of
access): the first one of a document at once, further ones as one event a day. In: a function that reads it, its recorded
digest, and the door that it leaves through. Out: a file to stream, read in the pool; AlteredContent, with an alert, where
the stored bytes differ."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Protocol

from gateway import log
from gateway.domain.account import AgencyScope
from gateway.domain.event import EventKind
from gateway.domain.identity import Digest
from gateway.domain.wall_clock import local, midnight
from gateway.errors import AlteredContent, CannotOpen, Clash
from gateway.ports.services import Clock, Pool

if TYPE_CHECKING:
    from gateway.domain.document import Document
    from gateway.store.readings import FurtherReadings
    from gateway.store.store import SqlStore
    from gateway.store.work import SqlWork

_log = logging.getLogger(__name__)
LONGEST_NOTED = 200
"""Longest name of a file in the event of a reading."""
# Role of a program in the table of roles.
_PROGRAM = "system"
Start = Callable[[], Iterator[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenFile:
    """File to stream out. `pieces` can be read once."""

    name: str
    content_type: str
    size: int
    sha256: Digest
    pieces: AsyncIterator[bytes]


class Door(StrEnum):
    """Way of content out of the store. The reading is recorded here, but for what a person opens on the pages, which
    record it with the person's right, and for the node's own work."""

    API = "api"
    LIBRARY = "library"
    FOLDER = "folder"
    COMMAND = "command"
    PAGES = "pages"
    NODE = "node"

    @property
    def is_recorded(self) -> bool:
        return self not in (Door.PAGES, Door.NODE)


class ReadingServices(Protocol):
    """Services needed for reading content, for outgoing and incoming documents alike."""

    @property
    def store(self) -> SqlStore: ...

    @property
    def pool(self) -> Pool: ...

    @property
    def clock(self) -> Clock: ...


def refuse_destroyed(document: Document) -> None:
    """Raise Clash for a document whose content was destroyed."""
    if (tombstone := document.destroyed) is not None:
        raise Clash(
            f"the content of {document.id} was destroyed by the decision {tombstone.decision} ({tombstone.act})",
            code="GW-DESTROYED",
            params={"decision": tombstone.decision, "act": tombstone.act},
        )


async def check_unaltered(
    services: ReadingServices, scope: AgencyScope, id: str, start: Start, expected: Digest
) -> None:
    """Raise AlteredContent unless the content has the expected digest. The caller checks before the first byte is sent,
    because sent bytes cannot be taken back."""
    actual = await services.pool.run(partial(_digest, start))
    if actual != expected:
        raise await report_altered(services, scope, id, expected, actual)


async def note_reading(
    services: ReadingServices, scope: AgencyScope, document_id: str, file: str, door: Door
) -> None:
    """Record that a program reads content, before it gets any of it."""
    if door.is_recorded:
        note = partial(record_reading, document_id=document_id, file=file, door=door, at=services.clock.now())
        await services.store.share(scope, note)


async def record_reading(work: SqlWork, *, document_id: str, file: str, door: Door, at: datetime) -> None:
    """Record a reading in this unit of work: an event for the first one of this program, a count for others."""
    is_first, owed = await work.readings.note(document_id, work.scope.principal_id, at)
    if owed is not None:
        await _tell_further(work, owed)
    if is_first:
        # A name may reveal the subject of the document: it stands outside the sealed leaf, as texts do.
        details = {"door": door.value, "role": _PROGRAM, "file": file[:LONGEST_NOTED]}
        await work.events.append(EventKind.DOCUMENT_READ, document_id, at, details)


async def tell_readings(services: ReadingServices) -> int:
    """Write one event for each document that a program read again on a day that is over; return how many."""
    today = midnight(local(services.clock.now()).date())
    count = 0
    for reading in await services.store.untold_readings(today):
        scope = AgencyScope(agency_id=reading.agency_id, principal_id=reading.reader_id)
        async with services.store.changing(scope) as work:
            if (more_readings := await work.readings.take(reading)) is not None:
                await _tell_further(work, more_readings)
                count += 1
    return count


async def _tell_further(work: SqlWork, reading: FurtherReadings) -> None:
    first, last = reading.first_at.isoformat(), reading.last_at.isoformat()
    details = {"what": "again", "role": _PROGRAM, "first": first, "last": last, "count": reading.count}
    await work.events.append(EventKind.DOCUMENT_READ, reading.document_id, reading.last_at, details)


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
    """Return the digest of the content; None where it is altered so that it cannot be decoded, or the store says so."""
    hasher = hashlib.sha256()
    try:
        for piece in start():
            hasher.update(piece)
    except (CannotOpen, AlteredContent):
        return None
    return Digest.of_bytes(hasher.digest())


async def stream_pieces(pool: Pool, pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the pieces, each read in the pool when it is asked for, so that memory holds only one."""
    while piece := await pool.run(partial(next, pieces, b"")):
        yield piece
