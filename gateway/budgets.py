"""Budgets of bytes that others may fill on the node: an agency with what it has not sent (drafts, uploads, documents that
wait), and a partner with mail that nobody at the agency has dealt with. In: an agency, the holder, and the size of what
comes. Out: whether it fits, with used and allowed bytes; OverBudget where the holder calls and can be told.

Rows are the truth. Between two counts a process only adds what it admitted itself, so that no document costs a query; it
counts again after a tenth of the budget and before each refusal. On a disk that grows full the budget shrinks: those that
hold most are refused first, and arrivals of the others go on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.errors import OverBudget

OWN = ""
"""Holder of what the agency itself keeps."""


async def _count_nothing(_: str) -> Mapping[str, int]:
    return {}


def _plenty() -> float:
    return 1.0


class Room(NamedTuple):
    """Bytes that a holder uses and may use now, and whether more fit."""

    used: int
    allowed: int
    fits: bool


@dataclass(slots=True, kw_only=True)
class ByteBudget:
    """Budget of each holder at each agency, in this process. `limit` 0: none. `count` reads the bytes of the agency's
    holders from rows; `share` is the share of the budget that the disk leaves."""

    limit: int = 0
    count: Callable[[str], Awaitable[Mapping[str, int]]] = _count_nothing
    share: Callable[[], float] = _plenty
    _counted: dict[str, Mapping[str, int]] = field(default_factory=dict)
    _added: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def allowed(self) -> int:
        """Bytes that each holder may use now."""
        return int(self.limit * self.share())

    async def used(self, agency_id: str) -> Mapping[str, int]:
        """Count the bytes of the agency's holders; one that holds none may be missing."""
        self._counted[agency_id], self._added[agency_id] = await self.count(agency_id), {}
        return self._counted[agency_id]

    async def take(self, agency_id: str, size: int, holder: str = OWN) -> Room:
        """Add that many bytes of a holder if they fit, and return its room."""
        if not self.limit:
            return Room(used=0, allowed=0, fits=True)
        allowed, added = self.allowed, self._added.get(agency_id, {}).get(holder, 0)
        used = self._counted.get(agency_id, {}).get(holder, 0) + added
        if agency_id not in self._counted or added > self.limit // 10 or used + size > allowed:
            used = (await self.used(agency_id)).get(holder, 0)
        room = Room(used=used, allowed=allowed, fits=used + size <= allowed)
        if room.fits:
            added_here = self._added.setdefault(agency_id, {})
            added_here[holder] = added_here.get(holder, 0) + size
        return room

    async def admit(self, agency_id: str, size: int) -> None:
        """Admit that many bytes of an agency itself. Raise OverBudget where they do not fit."""
        room = await self.take(agency_id, size)
        if not room.fits:
            raise OverBudget(
                f"the agency keeps {room.used} unsent bytes, {room.allowed} are allowed now, and these would be {size} "
                "more; send or discard drafts and uploads first",
                used=room.used,
                allowed=room.allowed,
            )
