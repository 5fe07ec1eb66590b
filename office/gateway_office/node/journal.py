"""The sealed log, for the page that shows it. In: an open node. Out: its lines and its state. The whole log is examined
beside the node's other work, once for all who ask meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from gateway.domain.account import AgencyScope
from gateway.domain.event import EventKind
from gateway.domain.sealed_log import Logged
from gateway.domain.text import fold
from gateway.errors import GatewayError, NotFound
from gateway.ops.audit import Inputs, verify
from gateway.ops.audit_checks import AuditFinding
from gateway.store.log_reading import EventFilter, Hit, search_log
from gateway_office.bootstrap.office import Office
from gateway_office.domain.roles import NODE
from gateway_office.store.accounts import AccountWork


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalQuery:
    """Search of the log. `within` are kinds, or beginnings of kinds with a `*`, to which the person's role confines it;
    `people`: also events about the people who have a post in that agency."""

    event_filter: EventFilter
    within: tuple[str, ...] = ()
    people: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """One line. `leaf` is its number in the sealed log, None while it waits for its seal; `actor` is a name where it is
    known, `place` the address and the device of the session, where the event names one that is still kept."""

    position: int
    event: Logged
    leaf: int | None
    actor: str
    agency: str
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalState:
    """State of the log. `word`: whole, broken, running or unknown, as of `checked_at`; `broken_at` is the first line that
    does not hold."""

    size: int
    sealed_at: datetime | None
    unsealed_since: datetime | None
    word: str = "unknown"
    checked_at: datetime | None = None
    lines: int = 0
    broken_at: str = ""
    faults: tuple[tuple[str, str, Mapping[str, object]], ...] = ()


_LOG = logging.getLogger(__name__)

# A small log is examined while the page is made; of a larger one the page says that it is being examined.
_PATIENCE_S = 1.0
_BATCH = 500
_MOST_NAMED = 20
_DEVICE = 60


@dataclass(slots=True)
class NodeJournal:
    """The sealed log of one open node."""

    node: Office
    _last_state: JournalState | None = None
    _task: asyncio.Task[None] | None = None

    async def page(self, ask: JournalQuery, *, end: int | None, limit: int) -> Sequence[JournalEntry]:
        """List entries, newest first, before the position `end`."""
        people: Sequence[str] = ()
        if ask.people and (agency_id := ask.event_filter.agency_id) is not None:
            async with self.node.accounts.accounts.read() as work:
                people = sorted({post.person_id for post in await work.posts.in_agency(agency_id)})
        hits = await search_log(
            self.node.store,
            ask.event_filter,
            limit=limit,
            newest=True,
            before_position=end,
            within=ask.within,
            also_about=people,
        )
        return await self._make_entries(list(reversed(hits)))

    async def find_people(self, text: str) -> Sequence[str]:
        """List ids of persons with that name or login."""
        folded = fold(text)
        async with self.node.accounts.accounts.read() as work:
            return [person.id for person in await work.people.all() if folded in fold(person.name)]

    async def state(self) -> JournalState:
        if self._last_state is None and self._task is None:
            await self.check()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=_PATIENCE_S)
        head = await self.node.store.log.head()
        state = self._last_state or JournalState(size=0, sealed_at=None, unsealed_since=None)
        is_running = self._task is not None and not self._task.done()
        return replace(
            state,
            size=head.size,
            sealed_at=head.seal.signed.seal.at if head.seal else None,
            unsealed_since=head.unsealed_since,
            word="running" if is_running else state.word,
        )

    async def check(self) -> None:
        """Begin to examine the whole log again, unless that is under way."""
        if self._task is None or self._task.done():
            self._task = self.node.background.begin(self._examine())

    async def export(
        self, by: str, agency_id: str, ask: JournalQuery, most: int
    ) -> AsyncIterator[JournalEntry]:
        """Return entries, the oldest last; the export is recorded in the log before the first line is given."""
        query = ask.event_filter
        texts = {"kind": query.kind, "subject": query.subject_id, "principal": query.principal_id}
        moments = {"since": query.since, "until": query.ends_before}
        search = {name: text for name, text in texts.items() if text}
        search |= {name: at.isoformat() for name, at in moments.items() if at}
        # Recorded before anything is shown: a person who interrupts the export has seen some of it.
        async with self.node.store.changing(
            AgencyScope(agency_id=agency_id or NODE, principal_id=by)
        ) as work:
            event_data = {"seal": None, "texts": False, "asked": search, "form": "csv"}
            await work.events.append(EventKind.LOG_EXPORTED, "log", self.node.clock.now(), event_data)
        self.node.store.wake.ring("sequencer")
        return self._lines(ask, most)

    async def _lines(self, ask: JournalQuery, most: int) -> AsyncIterator[JournalEntry]:
        at, quota = None, most
        while quota > 0 and (lines := await self.page(ask, end=at, limit=min(_BATCH, quota))):
            for line in lines:
                yield line
            at, quota = lines[-1].position, quota - len(lines)

    async def _make_entries(self, hits: Sequence[Hit]) -> Sequence[JournalEntry]:
        async with self.node.accounts.accounts.read() as work:
            names = await work.people.names({hit.event.principal_id for hit in hits})
            places = await _places(work, {str(hit.event.data.get("session", "")) for hit in hits} - {""})
        agencies = {agency.id: agency.code for agency in await self.node.store.hosted()}
        return [
            JournalEntry(
                position=hit.position,
                event=hit.event,
                leaf=hit.leaf,
                actor=names.get(hit.event.principal_id, ""),
                agency=agencies.get(hit.event.agency_id, ""),
                place=places.get(str(hit.event.data.get("session", "")), ""),
            )
            for hit in hits
        ]

    async def _examine(self) -> None:
        try:
            report = await verify(self.node.store, Inputs(), self.node.pool)
            self._last_state = JournalState(
                size=report.leaves,
                sealed_at=report.last_at,
                unsealed_since=None,
                word="whole" if report.holds else "broken",
                checked_at=self.node.clock.now(),
                lines=report.leaves,
                broken_at=_first(report.findings),
                faults=tuple((f.code, f.place, f.params) for f in report.findings[:_MOST_NAMED]),
            )
        except GatewayError:
            _LOG.warning("the log could not be examined", exc_info=True, extra={"action": "journal.unread"})
            self._last_state = JournalState(size=0, sealed_at=None, unsealed_since=None)


async def _places(work: AccountWork, sessions: Collection[str]) -> dict[str, str]:
    """Return from where each of these sessions was begun; those that were swept since are left out."""
    places = {}
    for id in sorted(sessions):
        with suppress(NotFound):
            session = await work.sessions.get(id)
            places[id] = f"{session.address} {session.agent[:_DEVICE]}".strip()
    return places


def _first(findings: Sequence[AuditFinding]) -> str:
    """Return the first line that does not hold; where none is named, the thing itself."""
    lines = [line for finding in findings if (line := _line(finding)) is not None]
    return str(min(lines)) if lines else next((finding.place for finding in findings), "")


def _line(finding: AuditFinding) -> int | None:
    kind, _, number = finding.place.partition(" ")
    leaf = finding.params.get("leaf", number if kind == "leaf" else None)
    return int(str(leaf)) if leaf is not None else None
