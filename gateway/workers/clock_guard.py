"""Guard that compares this machine's clock with the database server's while the process runs (K2, signing time; G7,
leases): a lease ends at a time, so to a machine whose clock is ahead another's work looks abandoned. In: the gap between
the clocks, which the store measures every few seconds. Out: whether work may be claimed, seals made and documents accepted
now. Between two measurements a monotonic clock shows whether this machine's clock jumps. With SQLite there is no server,
so the clocks always agree."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway.domain.pace import clocks_agree
from gateway.errors import StoreFailure
from gateway.ports.services import Clock
from gateway.workers.loop import Step, StepResult, Turn

_log = logging.getLogger(__name__)
LOOK_EVERY = timedelta(seconds=10)


@dataclass(slots=True, kw_only=True)
class ClockGuard:
    """Guard of the clock, one per process. `measure` returns how far this machine's clock is ahead of the server's; it is
    None when there is no server."""

    measure: Callable[[], Awaitable[timedelta]] | None
    clock: Clock
    lease_s: float
    _gap: timedelta = timedelta()
    _measured: tuple[datetime, float] | None = None
    _turn: Turn = field(default_factory=lambda: Turn(LOOK_EVERY))
    _agreed: bool = True

    def gap(self) -> timedelta:
        """Return the gap that was last measured, plus any jump of this machine's clock since then."""
        if self._measured is None:
            return self._gap
        at, passed_s = self._measured
        passed = timedelta(seconds=self.clock.passed_s() - passed_s)
        return self._gap + (self.clock.now() - at - passed)

    def agrees(self) -> bool:
        """Tell whether leases work: the two clocks are less than a third of a lease's time apart."""
        return clocks_agree(self.gap(), self.lease_s)

    async def check(self) -> None:
        """Raise StoreFailure while the clocks are apart: what is accepted then has a false signing time, for which its
        recipients hold it."""
        if not self.agrees():
            gap_s = abs(self.gap()).total_seconds()
            raise StoreFailure(
                f"this machine's clock is {gap_s:.0f} s apart from the database server's; nothing is accepted meanwhile",
                code="GW-S-511",
                hint="gateway doctor",
            )

    def is_due(self, now: datetime) -> bool:
        return self.measure is not None and self._turn.has_come(now)

    async def step(self) -> bool:
        """Measure the gap when it is time, and log a change of `agrees`. After a StoreFailure the last gap stays."""
        if self.measure is not None and self._turn.take(self.clock.now()):
            self._gap = await self.measure()
            self._measured = self.clock.now(), self.clock.passed_s()
            self._tell()
        return False

    def unless_apart(self, step: Step) -> Step:
        """Wrap a worker's step so that it does nothing while the clocks are apart."""

        async def guarded() -> bool | StepResult:
            return self.agrees() and await step()

        return guarded

    def _tell(self) -> None:
        agrees = self.agrees()
        if agrees != self._agreed:
            seconds, most = round(self.gap().total_seconds(), 1), round(self.lease_s / 3)
            say = "clocks agree again" if agrees else "nothing is claimed or sealed until the clocks agree"
            action = "clock.agrees" if agrees else "clock.apart"
            _log.log(
                logging.INFO if agrees else logging.ERROR,
                say,
                extra={"action": action, "gap_s": seconds, "most_s": most},
            )
            self._agreed = agrees
