"""The film of a world: every event with its virtual time, and one hash over all of them. In: events as they happen. Out:
the hash, the number of events, and the last ones in words for a reader who looks for the cause of a failure."""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Callable, Iterator

FILM_LENGTH = 200


class Film:
    def __init__(
        self, elapsed_s: Callable[[], float], length: int = FILM_LENGTH, last_event: int = 0
    ) -> None:
        """Keep that many last events; with `last_event` those up to that number."""
        self._elapsed_s = elapsed_s
        self._last: deque[str] = deque(maxlen=length)
        self._hash = hashlib.blake2b(digest_size=8)
        self._last_event = last_event
        self.count = 0
        self.kinds: Counter[str] = Counter()

    def tell(self, kind: str, place: str = "", words: str = "") -> None:
        """Add one event."""
        self.count += 1
        self.kinds[kind] += 1
        line = f"{self._elapsed_s():.9f} {kind} {place} {words}"
        self._hash.update(line.encode())
        if not self._last_event or self.count <= self._last_event:
            self._last.append(f"{self.count:>7} {clock_of(self._elapsed_s())} {kind:<18} {place:<12} {words}")

    def add_to_hash(self, content: bytes) -> None:
        self._hash.update(content)

    @property
    def hash(self) -> str:
        return self._hash.hexdigest()

    def last(self) -> Iterator[str]:
        return iter(self._last)


def clock_of(elapsed_s: float) -> str:
    """Write virtual time as days and the time of day since the start."""
    days, day_s = divmod(elapsed_s, 86_400)
    hours, hour_s = divmod(day_s, 3600)
    minutes, seconds = divmod(hour_s, 60)
    return f"{int(days):>3}d {int(hours):02}:{int(minutes):02}:{seconds:07.4f}"
