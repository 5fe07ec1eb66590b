"""What the node says on every page: how many tasks wait in an agency, for the bell, and the notice of a stop or an
incident. In: an open node. Out: what `WaitingTasks` and `Notices` of `office.web.deps` and `NoticeBoard` of
`office.ports.telling` promise. Every page asks, so each is known for some seconds; while tasks are counted again
pages show what was known."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway.domain.account import AgencyScope
from gateway.errors import StoreFailure
from gateway.office import todo
from gateway.office.bootstrap.office import Office
from gateway.office.desks import TodoDesk
from gateway.office.domain.roles import NODE
from gateway.office.ports.telling import Notice, NoticeKind, NoticeWish
from gateway.office.web import deps
from gateway.words import labels

_REMEMBERED = timedelta(seconds=10)
_MOST_AGENCIES = 2_000


@dataclass(slots=True)
class TaskBell:
    """Keeps the promise of `office.web.deps.WaitingTasks`."""

    desk: TodoDesk
    _known: dict[str, tuple[datetime, int]] = field(default_factory=dict)
    _counting: dict[str, asyncio.Task[int]] = field(default_factory=dict)

    async def count(self, scope: AgencyScope) -> int:
        known = self._known.get(scope.agency_id)
        if known is not None and timedelta() <= self.desk.clock.now() - known[0] < _REMEMBERED:
            return known[1]
        counting = self._counting.get(scope.agency_id)
        if counting is None:
            counting = asyncio.create_task(self._count(scope))
            self._counting[scope.agency_id] = counting
        return known[1] if known is not None else await asyncio.shield(counting)

    async def _count(self, scope: AgencyScope) -> int:
        try:
            found = len((await todo.gather(self.desk, scope)).tasks)
        except StoreFailure:
            found = self._known.get(scope.agency_id, (None, 0))[1]
        finally:
            self._counting.pop(scope.agency_id, None)
        if len(self._known) >= _MOST_AGENCIES:
            self._known.clear()
        self._known[scope.agency_id] = (self.desk.clock.now(), found)
        return found


@dataclass(slots=True)
class NodeNotices:
    """Keeps both promises."""

    node: Office
    _known: tuple[datetime, Sequence[Notice]] | None = None

    async def current(self, now: datetime, agency_id: str = NODE) -> deps.ShownNotice | None:
        if self._known is None or not timedelta() <= now - self._known[0] < _REMEMBERED:
            self._known = now, await self.node.store.notices.open()
        told = [each for each in self._known[1] if each.holds(now) and each.is_for(agency_id)]
        # What is wrong now goes before what is planned; of plans the next one.
        told.sort(key=lambda each: (each.wish.kind is not NoticeKind.INCIDENT, each.wish.starts_at))
        return _shown(told[0]) if told else None

    async def all(self, limit: int) -> Sequence[Notice]:
        return await self.node.store.notices.all(limit)

    async def get(self, id: str) -> Notice:
        return await self.node.store.notices.get(id)

    async def earliest(self) -> datetime:
        return await todo.earliest_stop(self.node.todo)

    async def faults(self, wish: NoticeWish) -> Sequence[tuple[str, str]]:
        return await todo.notice_faults(self.node.todo, wish)

    async def publish(self, by: str, wish: NoticeWish) -> Notice:
        self._known = None
        return await todo.publish_notice(self.node.todo, self.node.store.notices, by, wish)

    async def end(self, by: str, id: str) -> Notice:
        self._known = None
        return await todo.end_notice(self.node.todo, self.node.store.notices, by, id)


def _shown(notice: Notice) -> deps.ShownNotice:
    wish = notice.wish
    return deps.ShownNotice(
        id=notice.id,
        kind="incident" if wish.kind is NoticeKind.INCIDENT else "planned",
        starts_at=wish.starts_at,
        ends_at=wish.ends_at,
        text_vi=_text(wish, wish.text_vi, "vi"),
        text_en=_text(wish, wish.text_en or wish.text_vi, "en"),
    )


def _text(wish: NoticeWish, what: str, lang: str) -> str:
    """What it is, how to work meanwhile, how to enter afterwards what was done (R98)."""
    parts = [what]
    parts += [
        labels.say(f"operating.notice.told.{name}", lang, text=text)
        for name, text in (("meanwhile", wish.meanwhile), ("afterwards", wish.afterwards))
        if text
    ]
    return " ".join(parts)
