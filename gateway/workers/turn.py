"""Whether it is time for what a loop does now and then. In: the time. Out: yes, once per span; the first time at once. A
clock that was ahead and is set right makes nothing wait until the day that it showed."""

from __future__ import annotations

from datetime import datetime, timedelta


class Turn:
    """Remembers when it comes next."""

    def __init__(self, every: timedelta) -> None:
        self._every = every
        self._next: datetime | None = None

    def has_come(self, now: datetime) -> bool:
        """Changes nothing: whoever did the work says so with `done`."""
        return self._next is None or not self._next - self._every <= now < self._next

    def done(self, now: datetime) -> None:
        self._next = now + self._every

    def take(self, now: datetime) -> bool:
        """Whether it has come; then the next one is a span away, also when the work fails."""
        if not self.has_come(now):
            return False
        self.done(now)
        return True
