"""The loop for rows and figures of lists. In: the store. Out: rows of documents that changed, soon after that; rows of
documents that are older than lists, once; by the clock, rows that another calendar moves, and figures of days."""

from __future__ import annotations

from datetime import datetime, timedelta

from gateway.ports.services import Clock
from gateway.workers.loop import StepResult, Turn
from gateway_office.store.store import SqlOfficeStore

_EVERY = timedelta(minutes=10)
# A batch holds the one writer of SQLite for well under a second.
_ROWS_AT_ONCE = 100
# Readers of lists also see changes that are not written yet, so none of them waits: changes within this time are written
# together, and mostly a document has left and was answered by then. Where many change it is less.
GATHER_S = 1.0


class Lister:
    """Worker that remembers its work, so that it does not look at every turn."""

    def __init__(self) -> None:
        self._begun = False
        self._filled = False
        self._more = False
        self._turn = Turn(_EVERY)

    def is_due(self, now: datetime) -> bool:
        return not self._begun or not self._filled or self._turn.has_come(now)

    async def step(self, store: SqlOfficeStore, clock: Clock) -> bool | StepResult:
        """Do one batch of the work that is due."""
        if self._more or await store.lists_wait():
            if not self._more:
                await store.gather_lists(GATHER_S)
            self._more = await store.fold_lists(_ROWS_AT_ONCE)
            return StepResult.MORE if self._more or self.is_due(clock.now()) else StepResult.ALL
        if not self._begun:
            await store.refill_lists()
            self._begun = True
        if not self._filled:
            self._filled = not await store.fill_lists(_ROWS_AT_ONCE)
            return True
        now = clock.now()
        if not self._turn.has_come(now):
            return False
        if await store.rewrite_due(_ROWS_AT_ONCE) or await store.work_out_day():
            return True
        self._turn.mark_done(now)
        return False
