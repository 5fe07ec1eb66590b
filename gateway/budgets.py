"""Budgets of bytes that others may fill on the node: an agency with what it has not sent (drafts, uploads, documents that
wait), and a partner with its unhandled mail. In: an agency, the holder, and the size of what comes. Out: whether it fits,
with used and allowed bytes; OverBudget where the holder calls and can be told.

Rows are the truth. Between two counts a process only adds what it admitted itself, so that no document costs a query; it
counts again after a tenth of the budget and before each refusal. What an agency's call admitted and has not stored yet is
held, so that calls at once take no more than calls one after the other. On a disk that grows full the budget shrinks:
those that hold most are refused first, and arrivals of the others go on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.errors import OverBudget

OWN = ""
"""Holder of what the agency itself keeps."""


async def _count_nothing(_: str) -> Mapping[str, int]:
    return {}


class Allowance(NamedTuple):
    """Bytes that a holder uses and may use now, and whether more fit."""

    used: int
    allowed: int
    fits: bool


@dataclass(slots=True, kw_only=True)
class ByteBudget:
    """Budget of each holder at each agency, in this process. `limit` 0: none. `count` reads the bytes of the agency's
    holders from rows; `share` is the share of the budget that the disk leaves. With `lets_one` a holder of nothing always
    fits."""

    limit: int = 0
    count: Callable[[str], Awaitable[Mapping[str, int]]] = _count_nothing
    share: Callable[[], float] = lambda: 1.0
    lets_one: bool = False
    _counted: dict[str, Mapping[str, int]] = field(default_factory=dict)
    _added: Counter[tuple[str, str]] = field(default_factory=Counter)
    _reserved: Counter[tuple[str, str]] = field(default_factory=Counter)

    async def used(self, agency_id: str) -> Mapping[str, int]:
        """Count the bytes of the agency's holders; one that holds none may be missing."""
        earlier = {holder: size for holder, size in self._added.items() if holder[0] == agency_id}
        self._counted[agency_id] = await self.count(agency_id)
        # The count may lack what was stored while it ran.
        self._added -= Counter(earlier)
        return self._counted[agency_id]

    async def take(self, agency_id: str, name: str, size: int) -> Allowance:
        """Add that many bytes of a holder if they fit, and return its allowance."""
        allowance = await self.ask(agency_id, name, size)
        if allowance.fits:
            self._added[agency_id, name] += size
        return allowance

    async def admit(self, agency_id: str, size: int, call: ExitStack) -> None:
        """Admit that many bytes of an agency itself, and hold them until `call`, which stores them, ends. Raise OverBudget
        where they do not fit."""
        used, allowed, fits = await self.ask(agency_id, OWN, size)
        if not fits:
            raise OverBudget(
                f"the agency keeps {used} unsent bytes, {allowed} are allowed now, and these would be {size} more; send or "
                "discard drafts and uploads first",
                used=used,
                allowed=allowed,
            )
        self._reserved[agency_id, OWN] += size
        call.callback(self._release, agency_id, size)

    async def ask(self, agency_id: str, name: str, size: int) -> Allowance:
        """Tell whether that many bytes of a holder would fit; nothing is added."""
        if not self.limit:
            return Allowance(used=0, allowed=0, fits=True)
        allowed, is_new = int(self.limit * self.share()), agency_id not in self._counted
        used = self._sum(agency_id, name)
        if is_new or self._added[agency_id, name] > self.limit // 10 or used + size > allowed:
            await self.used(agency_id)
            used = self._sum(agency_id, name)
        return Allowance(
            used=used, allowed=allowed, fits=used + size <= allowed or (self.lets_one and not used)
        )

    def _sum(self, agency_id: str, name: str) -> int:
        holder = agency_id, name
        return self._counted.get(agency_id, {}).get(name, 0) + self._added[holder] + self._reserved[holder]

    def _release(self, agency_id: str, size: int) -> None:
        self._reserved[agency_id, OWN] -= size
        self._added[agency_id, OWN] += size
