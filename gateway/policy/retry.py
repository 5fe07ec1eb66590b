"""When to try again, or give up. In: how often it was tried, whether the error can heal, how old the work is, and a
number from outside for the jitter. Out: a delay, or `GiveUp` with its reason. Pure; tested as a table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from gateway.domain.turns import LONGEST_DELAY

# Seconds for a broker that restarts; then T12: 1, 2, 5, 15, 30, 60 minutes and hourly.
DELAYS_S = (2, 5, 15, 60, 120, 300, 900, 1800, int(LONGEST_DELAY.total_seconds()))
LIMIT = timedelta(hours=72)
JITTER = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUp:
    """No more tries. `reason`: `permanent` (it cannot heal) or `age` (tried for too long)."""

    reason: str


def next_try(
    attempt: int,
    *,
    permanent: bool,
    age: timedelta,
    chance: float,
    limit: timedelta = LIMIT,
) -> timedelta | GiveUp:
    """The wait after the `attempt`-th try (1 is the first) failed. `chance` in [0, 1) adds up to a tenth, so that many
    rows that failed together do not come back together. The last try is at the limit, not past it."""
    if permanent:
        return GiveUp(reason="permanent")
    if age >= limit:
        return GiveUp(reason="age")
    base = DELAYS_S[min(max(attempt, 1), len(DELAYS_S)) - 1]
    delay = timedelta(seconds=base * (1 + JITTER * chance))
    return min(delay, limit - age)


def delay_of(attempt: int) -> timedelta:
    """The plain wait after the `attempt`-th try, for work of our own that is never given up."""
    return timedelta(seconds=DELAYS_S[min(max(attempt, 1), len(DELAYS_S)) - 1])
