"""Notices of stops and incidents, for the pages. In: an open node. Out: what `office.web.ports_notices.NoticeBoard` and
`office.web.deps.Notices` promise. Every page asks for the current one, so it is known for some seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.office.bootstrap.office import Office
from gateway.office.domain.notice import Notice, NoticeKind, Wish
from gateway.office.domain.post import NODE
from gateway.office.todo import notices
from gateway.office.web import deps
from gateway.words import labels

_REMEMBERED = timedelta(seconds=10)


@dataclass(slots=True)
class NodeNotices:
    """Keeps both promises."""

    node: Office
    _known: tuple[datetime, Sequence[Notice]] | None = None

    async def current(self, now: datetime, agency_id: str = NODE) -> deps.Notice | None:
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
        return await notices.earliest(self.node.todo)

    async def faults(self, wish: Wish) -> Sequence[tuple[str, str]]:
        return await notices.faults(self.node.todo, wish)

    async def publish(self, by: str, wish: Wish) -> Notice:
        self._known = None
        return await notices.publish(self.node.todo, self.node.store.notices, by, wish)

    async def end(self, by: str, id: str) -> Notice:
        self._known = None
        return await notices.end(self.node.todo, self.node.store.notices, by, id)


def _shown(notice: Notice) -> deps.Notice:
    wish = notice.wish
    return deps.Notice(
        id=notice.id,
        kind="incident" if wish.kind is NoticeKind.INCIDENT else "planned",
        starts_at=wish.starts_at,
        ends_at=wish.ends_at,
        text_vi=_text(wish, wish.text_vi, "vi"),
        text_en=_text(wish, wish.text_en or wish.text_vi, "en"),
    )


def _text(wish: Wish, what: str, lang: str) -> str:
    """What it is, how to work meanwhile, how to enter afterwards what was done (R98)."""
    parts = [what]
    parts += [
        labels.say(f"operating.notice.told.{name}", lang, text=text)
        for name, text in (("meanwhile", wish.meanwhile), ("afterwards", wish.afterwards))
        if text
    ]
    return " ".join(parts)
