"""Limit of the questions of strangers, who need not sign in. In: the address of a question. Out: how long it must wait. It
counts in memory, for this process alone, and for any number of addresses."""

from __future__ import annotations

from collections.abc import Callable

from gateway import time_source
from gateway.api.admission import Buckets, Rate

# Several people of one office may have one address.
OF_ADDRESS = Rate(per_s=0.2, burst=20)
# A crowd of addresses gets no more than this, whatever each of them may.
OF_ALL = Rate(per_s=5, burst=100)


class QuestionLimit:
    """Limit for each address, and for all of them together."""

    def __init__(self, now: Callable[[], float] = time_source.monotonic) -> None:
        self._addresses, self._all = Buckets(OF_ADDRESS, now), Buckets(OF_ALL, now)

    def take(self, address: str) -> float:
        """Count a question; return 0, or how many seconds it must wait, and count nothing."""
        return self._all.wait_s("") or self._addresses.take(address) or self._all.take("")
