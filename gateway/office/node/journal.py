"""The sealed log, for the page that shows it. In: an open node. Out: its lines and where it stands. The
whole log is examined beside the node's other work, once for whoever asks meanwhile."""

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
from gateway.office.bootstrap.office import Office
from gateway.office.domain.roles import NODE
from gateway.office.store.accounts import AccountWork
from gateway.ops.audit import Given, verify
from gateway.ops.audit_checks import AuditFinding
from gateway.store.log_reading import Hit, WantedEvents, search_log


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalAsk:
    """What is looked for. `within` are kinds, or beginnings of kinds with a `*`, to which the person's role confines it;
    `people`: also what the node tells of the people who have a post in that agency."""

    wanted: WantedEvents
    within: tuple[str, ...] = ()
    people: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """One line. `leaf` is its number in the sealed log, None while it waits for its seal; `who` is a name where it is
    known, `place` the address and the device of the session, where the event names one that is still kept."""

    position: int
    event: Logged
    leaf: int | None
    who: str
    agency: str
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalState:
    """Where the log stands. `word`: whole, broken, running or unknown, as of `checked_at`; `broken_at` is the first line
    that does not hold."""

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
    _found: JournalState | None = None
    _task: asyncio.Task[None] | None = None

    async def page(self, ask: JournalAsk, *, before: int | None, limit: int) -> Sequence[JournalEntry]:
        """Newest first, before that position."""
        people: Sequence[str] = ()
        if ask.people and (agency_id := ask.wanted.agency_id) is not None:
            async with self.node.accounts.accounts.read() as work:
                people = sorted({each.person_id for each in await work.posts.in_agency(agency_id)})
        hits = await search_log(
            self.node.store,
            ask.wanted,
            limit=limit,
            newest=True,
            before=before,
            within=ask.within,
            also_about=people,
        )
        return await self._told(list(reversed(hits)))

    async def named(self, text: str) -> Sequence[str]:
        """Ids of persons with that name or login."""
        wanted = fold(text)
        async with self.node.accounts.accounts.read() as work:
            return [each.id for each in await work.people.everybody() if wanted in fold(each.name)]

    async def seal(self) -> JournalState:
        if self._found is None and self._task is None:
            await self.check()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=_PATIENCE_S)
        head = await self.node.store.log.head()
        known = self._found or JournalState(size=0, sealed_at=None, unsealed_since=None)
        is_running = self._task is not None and not self._task.done()
        return replace(
            known,
            size=head.size,
            sealed_at=head.seal.signed.seal.at if head.seal else None,
            unsealed_since=head.unsealed_since,
            word="running" if is_running else known.word,
        )

    async def check(self) -> None:
        """Begins to examine the whole log anew, unless that is under way."""
        if self._task is None or self._task.done():
            self._task = self.node.background.begin(self._examine())

    async def export(
        self, by: str, agency_id: str, ask: JournalAsk, most: int
    ) -> AsyncIterator[JournalEntry]:
        """Oldest last; told in the log before the first line is given."""
        wanted = ask.wanted
        told_of = {"kind": wanted.kind, "subject": wanted.subject_id, "principal": wanted.principal_id}
        moments = {"since": wanted.since, "until": wanted.until}
        asked = {name: text for name, text in told_of.items() if text}
        asked |= {name: at.isoformat() for name, at in moments.items() if at}
        # Told before anything is shown: whoever interrupts it has seen something.
        async with self.node.store.begin(AgencyScope(agency_id=agency_id or NODE, principal_id=by)) as work:
            told = {"seal": None, "texts": False, "asked": asked, "form": "csv"}
            await work.events.append(EventKind.LOG_EXPORTED, "log", self.node.clock.now(), told)
            await work.commit()
        self.node.store.wake.ring("sequencer")
        return self._lines(ask, most)

    async def _lines(self, ask: JournalAsk, most: int) -> AsyncIterator[JournalEntry]:
        before, left = None, most
        while left > 0 and (found := await self.page(ask, before=before, limit=min(_BATCH, left))):
            for each in found:
                yield each
            before, left = found[-1].position, left - len(found)

    async def _told(self, hits: Sequence[Hit]) -> Sequence[JournalEntry]:
        async with self.node.accounts.accounts.read() as work:
            names = await work.people.names({hit.event.principal_id for hit in hits})
            places = await _places(work, {str(hit.event.data.get("session", "")) for hit in hits} - {""})
        agencies = {each.id: each.code for each in await self.node.store.hosted()}
        return [
            JournalEntry(
                position=hit.position,
                event=hit.event,
                leaf=hit.leaf,
                who=names.get(hit.event.principal_id, ""),
                agency=agencies.get(hit.event.agency_id, ""),
                place=places.get(str(hit.event.data.get("session", "")), ""),
            )
            for hit in hits
        ]

    async def _examine(self) -> None:
        try:
            report = await verify(self.node.store, Given(), self.node.pool)
            self._found = JournalState(
                size=report.leaves,
                sealed_at=report.last_at,
                unsealed_since=None,
                word="whole" if report.holds else "broken",
                checked_at=self.node.clock.now(),
                lines=report.leaves,
                broken_at=_first(report.findings),
                faults=tuple((each.code, each.where, each.params) for each in report.findings[:_MOST_NAMED]),
            )
        except GatewayError:
            _LOG.warning("the log could not be examined", exc_info=True, extra={"action": "journal.unread"})
            self._found = JournalState(size=0, sealed_at=None, unsealed_since=None)


async def _places(work: AccountWork, sessions: Collection[str]) -> dict[str, str]:
    """From where each of these sessions was begun; those that were swept since are left out."""
    found = {}
    for id in sorted(sessions):
        with suppress(NotFound):
            known = await work.sessions.get(id)
            found[id] = f"{known.address} {known.agent[:_DEVICE]}".strip()
    return found


def _first(findings: Sequence[AuditFinding]) -> str:
    """The first line that does not hold; where none is named, the thing itself."""
    lines = [line for each in findings if (line := _line(each)) is not None]
    return str(min(lines)) if lines else next((each.where for each in findings), "")


def _line(finding: AuditFinding) -> int | None:
    kind, _, number = finding.where.partition(" ")
    told = finding.params.get("leaf", number if kind == "leaf" else None)
    return int(str(told)) if told is not None else None
