"""The bell: what a person is told of, gathered for an agency or for one's own unit and known for some seconds, as every
page shows it; and what the person's own desk remembers of it. In: the tasks as they are known, lists, packets that were
put aside, when recipients were last heard. Out: rings, newest first; a desk that is kept. Nothing is written when
something happens: what was settled is told no more, whoever settled it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from gateway.domain.account import AgencyScope
from gateway.domain.handling import unit_key
from gateway.office.domain.listing import Side, Tab, person_viewer, unit_viewer
from gateway.office.domain.ringing import OwnDesk, Partner, Ring, RingKind
from gateway.office.policy import ringing
from gateway.office.ports.lists import Wanted
from gateway.office.todo import TaskBell
from gateway.ports.queues import InboxPacket

MOST_RINGS = 200
_LETTERS = 50
_MOST_SENT = 2_000
_REMEMBERED = timedelta(seconds=10)
# Who is silent is found by looking at a month; it changes by the hour.
_SILENCE_REMEMBERED = timedelta(minutes=5)
_MOST_KEPT = 2_000


@dataclass(slots=True, kw_only=True)
class RingBoard:
    """`aside`: packets of an agency that wait for a decision; `partners`: who these codes are,
    and when that agency last heard from each."""

    bell: TaskBell
    aside: Callable[[str, int], Awaitable[Sequence[InboxPacket]]]
    partners: Callable[[Sequence[str], str], Awaitable[Mapping[str, Partner]]]
    _rings: dict[tuple[str, str], tuple[datetime, int, Sequence[Ring]]] = field(default_factory=dict)
    _silent: dict[str, tuple[datetime, Sequence[Ring]]] = field(default_factory=dict)
    _urgent: dict[str, int] = field(default_factory=dict)
    _desks: dict[tuple[str, str], tuple[datetime, OwnDesk]] = field(default_factory=dict)

    async def of_agency(self, scope: AgencyScope) -> Sequence[Ring]:
        """Everything of the agency; whom it concerns is the asker's to say."""
        key = scope.agency_id, ""
        if (known := self._known(key)) is not None:
            return known
        desk, turn = self.bell.desk, self.bell.turn(scope.agency_id)
        now = desk.clock.now()
        tasks = (await self.bell.listed(scope)).tasks
        async with desk.store.read(scope) as work:
            new = await work.office.lists.page(Wanted(side=Side.IN, tab=Tab.NEW), limit=_LETTERS)
        packets = await self.aside(scope.agency_id, _LETTERS)
        found = [
            *ringing.of_tasks(tasks),
            *ringing.of_letters(new.lines, now),
            *ringing.of_packets(packets),
            *await self._silent_ones(scope),
        ]
        return self._keep(key, turn, found)

    async def look(self, scope: AgencyScope) -> None:
        """For pages that wait for news: what is urgent does not wait for what is known to grow old."""
        urgent = Wanted(side=Side.IN, tab=Tab.NEW, pressing=True)
        async with self.bell.desk.store.read(scope) as work:
            found = (await work.office.lists.count(urgent)).n
        if self._urgent.get(scope.agency_id, found) != found:
            self.bell.stale(scope.agency_id)
        _bound(self._urgent)
        self._urgent[scope.agency_id] = found

    async def of_unit(self, scope: AgencyScope, unit: str) -> Sequence[Ring]:
        """What was given to that unit, what of it is recalled or late, and what became of the person's own."""
        key = scope.agency_id, f"{unit}\n{scope.principal_id}"
        if (known := self._known(key)) is not None:
            return known
        turn = self.bell.turn(scope.agency_id)
        given = Wanted(side=Side.IN, tab=Tab.PROCESSING, viewer=unit_viewer(unit))
        recalled = Wanted(side=Side.IN, tab=Tab.RECALL, viewer=unit_viewer(unit))
        back = Wanted(side=Side.OUT, attention=True, viewer=person_viewer(scope.principal_id))
        tasks = (await self.bell.listed(scope, frozenset({unit}))).tasks
        async with self.bell.desk.store.read(scope) as work:
            letters = (await work.office.lists.page(given, limit=_LETTERS)).lines
            asked_back = (await work.office.lists.page(recalled, limit=_LETTERS)).lines
            ids = [letter.id for letter in (*letters, *asked_back)]
            facts = await work.facts.of_many(ids) if ids else {}
            parts = await work.parts.of(ids) if ids else {}
            sent = (await work.office.lists.page(back, limit=_LETTERS)).lines
        own = {
            id: max(
                (part for part in given if part.key == unit_key(unit)),
                key=lambda part: part.given_at,
                default=None,
            )
            for id, given in parts.items()
        }
        givers = {id: part.given_by for id, part in own.items() if part is not None}
        found = [
            *ringing.of_given(letters, facts, givers),
            *ringing.of_recalled(asked_back, facts),
            *ringing.of_late(tasks),
            *ringing.of_sent(sent),
        ]
        return self._keep(key, turn, found)

    async def desk(self, scope: AgencyScope, *, anew: bool = False) -> OwnDesk:
        """The person's own; `anew` where another process may have changed it in these seconds."""
        key, now = (scope.agency_id, scope.principal_id), self.bell.desk.clock.now()
        known = self._desks.get(key)
        if known is not None and not anew and timedelta() <= now - known[0] < _REMEMBERED:
            return known[1]
        async with self.bell.desk.store.read(scope) as work:
            return self._remember(key, await work.office.desks.of(scope.principal_id))

    async def read(self, scope: AgencyScope, until: datetime) -> None:
        """Everything until then was read; never less than before."""
        until = min(until, self.bell.desk.clock.now())

        def change(desk: OwnDesk) -> OwnDesk:
            return replace(desk, read_until=max(until, desk.read_until or until))

        await self._change(scope, change)

    async def choose(self, scope: AgencyScope, muted: frozenset[RingKind]) -> None:
        await self._change(scope, lambda desk: replace(desk, muted=muted))

    async def put_tour_away(self, scope: AgencyScope) -> None:
        now = self.bell.desk.clock.now()
        await self._change(scope, lambda desk: replace(desk, toured_at=now))

    async def _change(self, scope: AgencyScope, change: Callable[[OwnDesk], OwnDesk]) -> None:
        async with self.bell.desk.store.begin(scope) as work:
            changed = change(await work.office.desks.of(scope.principal_id))
            await work.office.desks.save(scope.principal_id, changed)
            await work.commit()
        self._remember((scope.agency_id, scope.principal_id), changed)

    async def _silent_ones(self, scope: AgencyScope) -> Sequence[Ring]:
        now, known = self.bell.desk.clock.now(), self._silent.get(scope.agency_id)
        if known is not None and timedelta() <= now - known[0] < _SILENCE_REMEMBERED:
            return known[1]
        since, until = now - ringing.SILENT_BACK, now - ringing.SILENT_AFTER
        async with self.bell.desk.store.read(scope) as work:
            sent = await work.office.tasks.unanswered(since, until, _MOST_SENT)
        codes = sorted({code for code, _ in sent})
        partners = await self.partners(codes, scope.agency_id) if codes else {}
        found = tuple(ringing.of_silent(sent, partners))
        _bound(self._silent)
        self._silent[scope.agency_id] = now, found
        return found

    def _known(self, key: tuple[str, str]) -> Sequence[Ring] | None:
        known = self._rings.get(key)
        if known is None or known[1] != self.bell.turn(key[0]):
            return None
        return known[2] if timedelta() <= self.bell.desk.clock.now() - known[0] < _REMEMBERED else None

    def _keep(self, key: tuple[str, str], turn: int, found: Sequence[Ring]) -> Sequence[Ring]:
        ordered = sorted(found, key=lambda each: (each.at, each.id), reverse=True)[:MOST_RINGS]
        _bound(self._rings)
        self._rings[key] = self.bell.desk.clock.now(), turn, ordered
        return ordered

    def _remember(self, key: tuple[str, str], desk: OwnDesk) -> OwnDesk:
        _bound(self._desks)
        self._desks[key] = self.bell.desk.clock.now(), desk
        return desk


def _bound(kept: dict[Any, Any]) -> None:  # Any: keys of each kind
    """Kept for the memory's sake alone."""
    if len(kept) >= _MOST_KEPT:
        kept.clear()
