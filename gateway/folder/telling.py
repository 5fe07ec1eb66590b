"""What happened to an agency's documents, as lines of `events.ndjson`: the feed of the API, in its order and with its
ids. In: the events behind the last one that was written. Out: whole lines; the file itself says how far it got, and a note
beside it where somebody took the file away. It is put aside under the numbers that it holds before it grows large."""

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
from gateway.folder import filing, told
from gateway.folder.layout import ERROR, EVENTS, OWN
from gateway.folder.places import NotAFile, Place
from gateway.policy.folder_names import REASON, free_name
from gateway.ports.services import Clock, Pool
from gateway.store.store import SqlStore

_log = logging.getLogger(__name__)
MOST_BYTES = 16 * 1024 * 1024
_AT_ONCE = 500
_CURSOR = "events.json"
# What a document system needs to follow its documents; the rest is for keys that are given that right.
_TOLD = frozenset({ApiScope.MESSAGES_READ, ApiScope.INBOX_READ, ApiScope.AGENCIES_READ})
_TAIL = 256 * 1024

WordsOf = Callable[[str, Collection[str]], Awaitable[ClientWords]]
"""What the clients of that agency said of these documents."""


@dataclass(slots=True, kw_only=True)
class Telling:
    """Of one agency. `after` is None until the file was looked at."""

    store: SqlStore
    pool: Pool
    clock: Clock
    words: WordsOf
    after: int | None = None

    async def has_news(self, agency: HostedAgency) -> bool:
        """As far as this process knows; another one may have told it."""
        return self.after is None or bool(await self.store.events_after(agency.id, self.after, 1))

    async def tell(self, base: Place, agency: HostedAgency) -> tuple[int, bool]:
        """How many were written, and whether any of them was about an incoming document. More may follow."""
        now = self.clock.now()
        is_first, self.after = self.after is None, await self.pool.run(partial(_last_told, base, now))
        if is_first and self.after and not await self.store.events_after(agency.id, self.after - 1, 1):
            # The node was restored from an older backup, and gives numbers again.
            log.action(_log, "folder.events_back", agency=agency.code, after=self.after)
            self.after = None
            await self.pool.run(partial(_put_aside, base, "events.before-restore.ndjson"))
        if self.after is None:
            # It begins with what comes, and does not tell years of history.
            self.after = await self._newest(agency)
            await self.pool.run(partial(_note, base, self.after))
        found = await self.store.events_after(agency.id, self.after, _AT_ONCE)
        if not found:
            return 0, False
        words = await self.words(agency.id, feed.documents_of(found))
        lines = [
            feed.to_bytes(feed.told(each, agency.code, words)) + b"\n"
            for each in found
            if feed.scope_of(each.kind) in _TOLD
        ]
        last = found[-1].agency_seq or self.after
        await self.pool.run(partial(_write, base, lines, self.after + 1, last))
        self.after = last
        return len(found), any(each.kind.startswith("inbox.") for each in found)

    async def _newest(self, agency: HostedAgency) -> int:
        """Asked once in the life of a folder."""
        low, step = 0, _AT_ONCE
        while found := await self.store.events_after(agency.id, low, step):
            low = found[-1].agency_seq or low
            if len(found) < step:
                break
        return low


def _write(base: Place, lines: Sequence[bytes], first: int, last: int) -> None:
    if lines:
        size = base.append(EVENTS, b"".join(lines))
        if size >= MOST_BYTES:
            _put_aside(base, f"events.{first}-{last}.ndjson")
    _note(base, last)


def _put_aside(base: Place, name: str) -> None:
    if base.mark(EVENTS) is not None:
        base.move(EVENTS, base, free_name(name, lambda each: base.mark(each) is not None))


def _put_into_error(base: Place, now: datetime, error: NotAFile) -> None:
    """Move what stands in the place of the events, and is no file, out of the way, with the reason beside it."""
    fault = told.no_file(EVENTS, error)

    def reason(kept: Mapping[str, str]) -> str:
        return told.reason(fault, EVENTS, kept, now, "tell")

    filing.put_away(base, (), {EVENTS: base.mark(EVENTS)}, (ERROR,), REASON, reason)
    log.action(_log, "folder.events_put_away", "what stood in the place of the events was no file")


def _note(base: Place, last: int) -> None:
    with base.within(OWN, make=True) as own:
        own.write(_CURSOR, [json.dumps({"after": last}).encode()])


def _last_told(base: Place, now: datetime) -> int | None:
    """The further of the two: a crash may have come between the line and the note."""
    noted = _noted(base)
    try:
        written = _written(base)
    except NotAFile as error:
        _put_into_error(base, now, error)
        written = None
    known = [each for each in (noted, written) if each is not None]
    return max(known) if known else None


def _noted(base: Place) -> int | None:
    with base.within(OWN, make=True) as own:
        try:
            note: Any = json.loads(own.read(_CURSOR, 1000))
            return int(note["after"])
        except (NotFound, NotAFile, ValueError, TypeError, KeyError):
            return None


def _written(base: Place) -> int | None:
    """The number in the last line that is whole."""
    with suppress(NotFound):
        with base.open(EVENTS) as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _TAIL))
            tail = file.read(_TAIL)
        for line in reversed(tail.split(b"\n")):
            with suppress(ValueError, TypeError, KeyError):
                return int(json.loads(line)["sequence"])
    return None
