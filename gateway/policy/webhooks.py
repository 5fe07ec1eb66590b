"""When a webhook is tried again, and when it is given up. In: how often and for how long an event was tried, and a number
from outside for the jitter. Out: a delay, or `GiveUp`; whether a try that failed speaks of the endpoint or of one
event. Pure (interfaces.md 3.4)."""

from __future__ import annotations

from datetime import datetime, timedelta

from gateway.domain.webhook import Delivery, Endpoint
from gateway.policy.upkeep import GiveUp

_MIN, _HOUR = 60, 3600
RETRY_DELAYS_S = (5, 30, 2 * _MIN, 10 * _MIN, _HOUR, 3 * _HOUR, 8 * _HOUR, 24 * _HOUR)
"""After the first try, the second, and so on; from then on every twelve hours."""
THEN_EVERY = timedelta(hours=12)
RETRY_LIMIT = timedelta(days=3)
JITTER = 0.1
# The longest that a due time lies ahead; what lies further was written while the clock was ahead.
LONGEST_DELAY = timedelta(hours=24) * (1 + JITTER)


def next_try(attempt: int, age: timedelta, chance: float) -> timedelta | GiveUp:
    """The wait after the `attempt`-th try (1 is the first) failed, `age` after the first. `chance` in [0, 1) adds up to a
    tenth, so that what failed together does not come back together. The last try is at the limit, not past it."""
    if age >= RETRY_LIMIT:
        return GiveUp(reason="age")
    place = max(attempt, 1) - 1
    wait = timedelta(seconds=RETRY_DELAYS_S[place]) if place < len(RETRY_DELAYS_S) else THEN_EVERY
    return min(wait * (1 + JITTER * chance), RETRY_LIMIT - age)


def is_dead(endpoint: Endpoint, delivery: Delivery) -> bool:
    """Of an event that is given up: whether the endpoint took nothing else either since it was first tried. Then it is
    paused, and the event keeps waiting for whoever lets it go on."""
    return endpoint.last_ok_at is None or endpoint.last_ok_at <= delivery.first_at


def secret_end(now: datetime, until: datetime | None, overlap: timedelta) -> datetime:
    """Until when a secret is good that is followed by another one; never longer than it was before."""
    end = now + overlap
    return end if until is None else min(until, end)
