"""Failed attempts at entries in one agency's hot folder. In: names that failed, and this process's own count of seconds.
Out: whether a name is due again, and how often it failed in a row. Each pause is twice as long as the one before."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from gateway import time_source

# An entry that has failed so often is moved to `error/`.
MOST_TRIES = 5
FIRST_REST_S, LONGEST_REST_S = 20.0, 3600.0


@dataclass(frozen=True, slots=True)
class _Failure:
    count: int
    retry_at: float


@dataclass(slots=True, kw_only=True)
class Attempts:
    """Failures by name, kept in memory."""

    now_s: Callable[[], float] = time_source.monotonic
    _failures: dict[str, _Failure] = field(default_factory=dict)

    def is_due(self, name: str) -> bool:
        failure = self._failures.get(name)
        return failure is None or failure.retry_at <= self.now_s()

    def count(self, name: str) -> int:
        failure = self._failures.get(name)
        return failure.count if failure is not None else 0

    def add(self, name: str, rest_s: float | None = None) -> int:
        """Record one more failure, and return how many came in a row. `rest_s` is the pause for a short-lived cause."""
        count = self.count(name) + 1
        if rest_s is None:
            rest_s = min(FIRST_REST_S * 2.0 ** (count - 1), LONGEST_REST_S)
        self._failures[name] = _Failure(count, self.now_s() + rest_s)
        return count

    def give_up(self, name: str) -> None:
        """Let the name rest for the longest pause, as after many failures."""
        self._failures[name] = _Failure(max(self.count(name), MOST_TRIES), self.now_s() + LONGEST_REST_S)

    def clear(self, name: str) -> None:
        self._failures.pop(name, None)

    def keep_only(self, names: Collection[str]) -> None:
        """Forget all names but these."""
        for name in [name for name in self._failures if name not in names]:
            del self._failures[name]
