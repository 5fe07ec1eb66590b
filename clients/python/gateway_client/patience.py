"""How often and how long a call is tried again. In: the failure, and the wait that the node asked for. Out: the wait is
over, or enough is enough. A wait grows and is spread, so that many programs do not come back at one moment; it is never
shorter than Retry-After says."""

from __future__ import annotations

import logging
import math
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

_LOG = logging.getLogger("gateway_client")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Limits of the tries of one call: at most so many tries and so many seconds since it last got ahead; waits of
    `first_s` to `most_s`."""

    tries: float = 10
    total_s: float = 300.0
    first_s: float = 0.5
    most_s: float = 30.0
    sleep: Callable[[float], object] = time.sleep

    def endless(self, stop: threading.Event | None = None) -> Patience:
        """Return a patience for a service that outlives a node's night: only `stop` ends it."""
        lasting = replace(self, tries=math.inf, total_s=math.inf)
        return lasting if stop is None else replace(lasting, sleep=stop.wait)

    def begin(self, name: str) -> Turns:
        return Turns(self, name)


class Turns:
    """The tries of one call."""

    def __init__(self, patience: Patience, name: str) -> None:
        self._patience = patience
        self._what = name
        self._began = time.monotonic()
        self._failed = 0
        self._is_over = False

    def got_ahead(self) -> None:
        """Note that part of it is done, so that the tries are counted anew."""
        self._began, self._failed = time.monotonic(), 0

    def wait(self, why: Exception, asked_s: float | None = None) -> bool:
        """Wait for the next try and return True; False when there is to be none. `asked_s` is the node's Retry-After."""
        patience = self._patience
        self._failed += 1
        grown_s = min(patience.most_s, patience.first_s * 2.0 ** min(self._failed - 1, 30))
        # S311: spread, not secrecy
        wait_s = grown_s * random.uniform(0.5, 1.0)  # noqa: S311
        if asked_s is not None:
            wait_s = max(wait_s, asked_s)
        spent_s = time.monotonic() - self._began
        too_late = self._failed >= patience.tries or spent_s + wait_s > patience.total_s
        self._is_over = self._is_over or too_late
        if self._is_over:
            return False
        _LOG.warning("%s did not succeed (%s); again in %.1f s", self._what, why, wait_s)
        return patience.sleep(wait_s) is not True  # an event that was set ends it
