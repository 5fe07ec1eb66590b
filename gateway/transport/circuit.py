"""Whether one of several axes counts as away, and when it is tried again. In: how each call to it ended, and what it says
of its own line. Out: away or not, with since when and why. Who goes and who comes back is told once: a line of the
log, and a counter for the alarm.

An axis is away once it has failed for `away_s` without a success between. Taking may go well where sending does not, so
that a failure to send ends with a success to send alone. Each way is tried again after a pause of its own, longer
each time."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway import meters
from gateway.log import action, warn
from gateway.ports import AxisDesk, Clock

FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=2), timedelta(minutes=1)
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Rest:
    """The pause after a failure."""

    until: datetime | None = None
    length: timedelta = FIRST_PAUSE

    def begin(self, now: datetime) -> None:
        self.until = now + self.length
        self.length = min(self.length * 2, LONGEST_PAUSE)

    def end(self) -> None:
        self.until, self.length = None, FIRST_PAUSE

    def is_over(self, now: datetime) -> bool:
        # A clock that was set back keeps nobody waiting.
        return self.until is None or not self.until - LONGEST_PAUSE <= now < self.until


class Circuit:
    """Of one axis in this process; nothing of it outlives the process."""

    def __init__(self, name: str, axis: AxisDesk, away_s: float, clock: Clock) -> None:
        self.name = name
        self._axis, self._clock = axis, clock
        self._patience = timedelta(seconds=away_s)
        self._failing: datetime | None = None
        self._is_of_sending = False
        self._why = ""
        self._sending, self._taking = Rest(), Rest()
        self._told = False

    def sent(self) -> None:
        """What was asked of it, to send or who is hosted, was answered."""
        self._sending.end()
        self._failing, self._is_of_sending, self._why = None, False, ""
        self.is_away()

    def took(self) -> None:
        self._taking.end()
        if not self._is_of_sending:
            self._failing, self._why = None, ""
            self.is_away()

    def not_sent(self, why: str) -> None:
        self._is_of_sending = True
        self._sending.begin(self._clock.now())
        self._failed(why)

    def not_taken(self, why: str) -> None:
        self._taking.begin(self._clock.now())
        self._failed(why)

    def may_send(self) -> bool:
        """Whether the pause since it last failed is over."""
        return self._sending.is_over(self._clock.now())

    def may_take(self) -> bool:
        return self._taking.is_over(self._clock.now())

    @property
    def since(self) -> datetime | None:
        """When it began to fail; None while it is well."""
        state = self._axis.state()
        down = state.down_since if state.connected_since is None else None
        return min((at for at in (self._failing, down, state.blocked_since) if at is not None), default=None)

    @property
    def why(self) -> str:
        return self._axis.state().reason or self._why

    def is_away(self) -> bool:
        since = self.since
        away = since is not None and self._clock.now() - since >= self._patience
        if away != self._told:
            self._told = away
            self._tell(away=away)
        return away

    def _failed(self, why: str) -> None:
        self._failing, self._why = self._failing or self._clock.now(), why
        self.is_away()

    def _tell(self, *, away: bool) -> None:
        if away:
            meters.AXIS_AWAY.add(axis=self.name)
            warn(_log, "axis.away", f"{self.name} does not answer: {self.why}", axis=self.name)
        else:
            action(_log, "axis.back", f"{self.name} answers again", axis=self.name, ends="away")
