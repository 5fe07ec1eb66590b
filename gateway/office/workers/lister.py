"""What lists need besides the rows that are written with their documents: rows of documents older than lists, rows of
what waits while the calendar changes, and the figures of days. In: the store. Out: one short piece of work at a time, so
that nothing else waits for it."""

from __future__ import annotations

from datetime import datetime, timedelta

from gateway.office.ports.store import OfficeStore
from gateway.ports.services import Clock
from gateway.workers.turn import Turn

EVERY = timedelta(minutes=10)
# A batch holds the one writer of SQLite for well under a second.
AT_ONCE = 100


class Lister:
    """Remembers what it has done, so that an idle loop does not look at every turn."""

    def __init__(self) -> None:
        self._begun = False
        self._filled = False
        self._turn = Turn(EVERY)

    def is_due(self, now: datetime) -> bool:
        return not self._begun or not self._filled or self._turn.has_come(now)

    async def step(self, store: OfficeStore, clock: Clock) -> bool:
        """True when there is more to do at once."""
        if not self._begun:
            await store.fill_lists_again()
            self._begun = True
        if not self._filled:
            self._filled = not await store.fill_lists(AT_ONCE)
            return True
        now = clock.now()
        if not self._turn.has_come(now):
            return False
        if await store.write_due_again(AT_ONCE) or await store.work_out_day():
            return True
        self._turn.done(now)
        return False
