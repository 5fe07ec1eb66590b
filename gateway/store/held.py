"""The leases that this process took and may still hold, so that it can give them back when it goes. In: leases as they are
taken and renewed, before they are committed. Out: their tokens. Those that ran out are forgotten, so it stays small."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from gateway.ports.rows import Lease


class Held:
    """A batch shares one token. What was finished meanwhile has no token any more, and is not touched by giving back."""

    def __init__(self) -> None:
        self._until: dict[str, datetime] = {}

    def took(self, leases: Iterable[Lease], now: datetime) -> None:
        self._until = {token: until for token, until in self._until.items() if until > now}
        self._until |= {lease.token: lease.until for lease in leases}

    def tokens(self) -> list[str]:
        return list(self._until)
