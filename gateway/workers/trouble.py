"""What becomes of a loop whose steps break. In: each failure, each step that came through. Out: how long to rest, and log
lines: the first failure of a sort at once, then one a minute with how many there were, for the log lies on the same disk
that may be full."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway import log, meters
from gateway.errors import GatewayError

FIRST_REST_S = 0.2
# A node whose disk or database is back works again within this time; the alarm on failures still counts enough of them.
LONGEST_REST_S = 30.0
SAID_EVERY_S = 60.0
# From here on it was an outage, and its end is worth a line.
OUTAGE = 5

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Said:
    at: float
    unsaid: int = 0


@dataclass(slots=True, kw_only=True)
class Trouble:
    """Of one loop."""

    name: str
    now_s: Callable[[], float] = time.monotonic
    _in_a_row: int = 0
    _said: dict[str, _Said] = field(default_factory=dict)

    def broke(self, error: BaseException) -> float:
        """For how many seconds the loop rests now: twice as long after each failure, up to `LONGEST_REST_S`."""
        meters.LOOP_FAILED.add(loop=self.name)
        self._in_a_row += 1
        kind = error.code if isinstance(error, GatewayError) else type(error).__name__
        said, now = self._said.get(kind), self.now_s()
        if said is not None and now - said.at < SAID_EVERY_S:
            said.unsaid += 1
        else:
            self._say(error, kind, 1 + (said.unsaid if said else 0))
            self._said[kind] = _Said(now)
        return min(FIRST_REST_S * 2.0 ** min(self._in_a_row - 1, 20), LONGEST_REST_S)

    def over(self) -> None:
        """A step came through."""
        if self._in_a_row >= OUTAGE:
            log.action(_log, f"{self.name}.works_again", failures=self._in_a_row)
        self._in_a_row = 0

    def _say(self, error: BaseException, kind: str, failures: int) -> None:
        told: dict[str, object] = {"action": f"{self.name}.broke", "failures": failures}
        if isinstance(error, GatewayError):  # it has a name, and a trace would tell no more
            _log.error(str(error), extra=told | {"code": kind})
        else:
            _log.error("a step broke", exc_info=error, extra=told | {"error_kind": kind})
