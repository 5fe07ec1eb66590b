"""How many tasks wait in an agency, for the bell of every page. Counted at most once in ten seconds for each agency."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway.domain.account import AgencyScope
from gateway.todo import gather
from gateway.todo.desk import TodoDesk

_REMEMBERED = timedelta(seconds=10)
_MOST_AGENCIES = 2_000


@dataclass(slots=True)
class TaskBell:
    """Keeps the promise of `gateway.web.deps.Bell`."""

    desk: TodoDesk
    _known: dict[str, tuple[datetime, int]] = field(default_factory=dict)

    async def count(self, scope: AgencyScope) -> int:
        now = self.desk.clock.now()
        known = self._known.get(scope.agency_id)
        if known is not None and timedelta() <= now - known[0] < _REMEMBERED:
            return known[1]
        found = len((await gather.run(self.desk, scope)).tasks)
        if len(self._known) >= _MOST_AGENCIES:
            self._known.clear()
        self._known[scope.agency_id] = (now, found)
        return found
