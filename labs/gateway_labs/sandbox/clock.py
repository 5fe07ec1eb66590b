"""A clock that one can move ahead. In: a file that keeps by how much. Out: the `Clock` promise, so far ahead of the
machine's own; listeners hear of a move. It never goes back: past events stay in the past."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.atomic_files import write_private
from gateway.clock import SystemClock
from gateway.errors import Clash

# The certificates of a sandbox are good for two years.
FARTHEST = timedelta(days=366)


class SandboxClock(SystemClock):
    """The clock of a sandbox, whose process alone moves it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._ahead = timedelta()
        self._told: list[Callable[[], None]] = []
        if file.is_file():
            self._ahead = timedelta(seconds=float(json.loads(file.read_text("ascii"))["ahead_s"]))

    @property
    def ahead(self) -> timedelta:
        return self._ahead

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def passed_s(self) -> float:
        """Return the seconds passed; a move counts as passed time."""
        return super().passed_s() + self._ahead.total_seconds()

    def tell(self, moved: Callable[[], None]) -> None:
        """Call `moved` after each move."""
        self._told.append(moved)

    def move(self, by: timedelta) -> None:
        """Move the clock, kept on disk first: a restart does not set it back. Clash for a move back, or too far."""
        if by <= timedelta() or self._ahead + by > FARTHEST:
            raise Clash(
                f"the clock goes ahead alone, and {FARTHEST.days} days at most; it is {self._ahead.days} days ahead",
                code="GW-SANDBOX-CLOCK",
            )
        write_private(self._file, json.dumps({"ahead_s": (self._ahead + by).total_seconds()}).encode())
        self._ahead += by
        for moved in self._told:
            moved()
