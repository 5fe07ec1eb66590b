"""How many tasks wait in an agency, for the bell of every page. Counted at most once in ten seconds for each agency;
while it is counted again pages show what was known."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway.domain.account import AgencyScope
from gateway.errors import StoreFailure
from gateway.office.todo import gather
from gateway.office.todo.desk import TodoDesk

_REMEMBERED = timedelta(seconds=10)
_MOST_AGENCIES = 2_000


@dataclass(slots=True)
class TaskBell:
    """Keeps the promise of `office.web.deps.Bell`."""

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
            found = len((await gather.run(self.desk, scope)).tasks)
        except StoreFailure:
            found = self._known.get(scope.agency_id, (None, 0))[1]
        finally:
            self._counting.pop(scope.agency_id, None)
        if len(self._known) >= _MOST_AGENCIES:
            self._known.clear()
        self._known[scope.agency_id] = (self.desk.clock.now(), found)
        return found
