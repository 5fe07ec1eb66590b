"""Writes an agency's events as lines of `events.ndjson`: the feed of the API, in its order and with its ids. In: the
events after the last written one. Out: whole lines. The file itself shows how far it got, and a note helps where the file
was taken away. A large file is renamed after the sequence numbers in it, and a new one begun."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from gateway import log
from gateway.domain import feed
from gateway.domain.account import ApiScope, HostedAgency
from gateway.domain.feed import ClientWords
from gateway.errors import NotFound
from gateway.folder import filing, texts
from gateway.folder.layout import ERROR, EVENTS, OWN
from gateway.folder.places import NotAFile, Place
from gateway.policy.folder_names import REASON, free_name
from gateway.ports.services import Clock, Pool
from gateway.store.store import SqlStore

_log = logging.getLogger(__name__)
MOST_BYTES = 16 * 1024 * 1024
_AT_ONCE = 500
_CURSOR = "events.json"
# Events that a document system needs to follow its documents; the others are for API keys with more rights.
_SCOPES = frozenset({ApiScope.MESSAGES_READ, ApiScope.INBOX_READ, ApiScope.AGENCIES_READ})
_TAIL = 256 * 1024

WordsOf = Callable[[str, Collection[str]], Awaitable[ClientWords]]
"""Loads the clients' own ids and data for these documents of an agency."""


@dataclass(slots=True, kw_only=True)
class EventLines:
    """Event lines of one agency. `seq` is the last sequence number, None until the file was looked at."""

    store: SqlStore
    pool: Pool
    clock: Clock
    words: WordsOf
    seq: int | None = None

    async def has_news(self, agency: HostedAgency) -> bool:
        """Tell whether this process knows of unwritten events; another process may have written them."""
        return self.seq is None or bool(await self.store.events_after(agency.id, self.seq, 1))

    async def write(self, base: Place, agency: HostedAgency) -> tuple[int, bool]:
        """Write the next batch of events. Returns how many, and whether any is about an incoming document."""
        now = self.clock.now()
        is_first, self.seq = (self.seq is None, await self.pool.run(partial(_last_sequence, base, now)))
        if is_first and self.seq and not await self.store.events_after(agency.id, self.seq - 1, 1):
            # The node was restored from an older backup, and gives sequence numbers a second time.
            log.action(_log, "folder.events_back", agency=agency.code, after=self.seq)
            self.seq = None
            await self.pool.run(partial(_put_aside, base, "events.before-restore.ndjson"))
        if self.seq is None:
            # A new file begins with future events, without years of history.
            self.seq = await self.store.webhooks.newest(agency.id)
            await self.pool.run(partial(_write_note, base, self.seq))
        events = await self.store.events_after(agency.id, self.seq, _AT_ONCE)
        if not events:
            return 0, False
        words = await self.words(agency.id, feed.documents_of(events))
        lines = [
            feed.to_bytes(feed.event_body(event, agency.code, words)) + b"\n"
            for event in events
            if feed.scope_of(event.kind) in _SCOPES
        ]
        last = events[-1].agency_seq or self.seq
        await self.pool.run(partial(_write_lines, base, lines, self.seq + 1, last))
        self.seq = last
        return len(events), any(e.kind.startswith("inbox.") for e in events)


def _write_lines(base: Place, lines: Sequence[bytes], first: int, last: int) -> None:
    if lines:
        size = base.append(EVENTS, b"".join(lines))
        if size >= MOST_BYTES:
            _put_aside(base, f"events.{first}-{last}.ndjson")
    _write_note(base, last)


def _put_aside(base: Place, name: str) -> None:
    if base.mark(EVENTS) is not None:
        base.move(EVENTS, base, free_name(name, lambda n: base.mark(n) is not None))


def _put_into_error(base: Place, now: datetime, error: NotAFile) -> None:
    """Move a folder or device that has the name of the event file into `error/`, with the reason."""
    fault = texts.no_file(EVENTS, error)

    def reason(names: Mapping[str, str]) -> str:
        return texts.reason(fault, EVENTS, names, now, "tell")

    filing.put_away(base, (), {EVENTS: base.mark(EVENTS)}, (ERROR,), REASON, reason)
    log.action(_log, "folder.events_put_away", "what stood in the place of the events was no file")


def _write_note(base: Place, last: int) -> None:
    with base.within(OWN, make=True) as own:
        own.write(_CURSOR, [json.dumps({"after": last}).encode()])


def _last_sequence(base: Place, now: datetime) -> int | None:
    """Return the higher number of the file and the note, since a crash may have come between writing the two; None
    without either."""
    noted_last = _noted_sequence(base)
    try:
        written_last = _written_sequence(base)
    except NotAFile as error:
        _put_into_error(base, now, error)
        written_last = None
    sequences = [s for s in (noted_last, written_last) if s is not None]
    return max(sequences) if sequences else None


def _noted_sequence(base: Place) -> int | None:
    with base.within(OWN, make=True) as own:
        try:
            note: Any = json.loads(own.read(_CURSOR, 1000))
            return int(note["after"])
        except (NotFound, NotAFile, ValueError, TypeError, KeyError):
            return None


def _written_sequence(base: Place) -> int | None:
    """Return the sequence number in the last complete line of the file."""
    with suppress(NotFound):
        with base.open(EVENTS) as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _TAIL))
            tail = file.read(_TAIL)
        for line in reversed(tail.split(b"\n")):
            with suppress(ValueError, TypeError, KeyError):
                return int(json.loads(line)["sequence"])
    return None
