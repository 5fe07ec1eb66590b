"""For how many days the disk lasts. In: samples of what was free. Out: days, as the last week filled it; None where it did
not, or where less than a day is known. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from gateway.domain.node_history import DISK, QueueSample

LOOKED_AT = timedelta(days=7)
_SHORTEST = timedelta(days=1)
_MB = 1024 * 1024
# Longer is no forecast any more.
MOST = 3650


def left(samples: Sequence[QueueSample], free_bytes: int) -> int | None:
    known = sorted((each.at, each.depth) for each in samples if each.queue == DISK)
    if not known or known[-1][0] - known[0][0] < _SHORTEST:
        return None
    (began, first), (ended, last) = known[0], known[-1]
    a_day = (first - last) / ((ended - began) / timedelta(days=1))
    return min(MOST, int(free_bytes / _MB / a_day)) if a_day > 0 else None
