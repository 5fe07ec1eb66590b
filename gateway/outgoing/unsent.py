"""Budget of bytes that an agency may keep on the node without sending them: drafts, uploads, documents that wait. In: an
agency and the size of what comes. Out: OverBudget where it would be too much, with used and allowed bytes.

Rows are the truth. Between two counts a process only adds what it admitted itself, so that no document costs a query; it
counts again after a tenth of the budget and before each refusal. On a disk that grows full the budget shrinks: those that
hold most are refused first, and arrivals go on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from gateway.errors import OverBudget


async def _count_nothing(_: str) -> int:
    return 0


def _plenty() -> float:
    return 1.0


@dataclass(slots=True, kw_only=True)
class UnsentBudget:
    """The budget of each agency in this process. `limit` 0: none. `count` reads an agency's unsent bytes from rows; `share`
    is the share of the budget that the disk leaves."""

    limit: int = 0
    count: Callable[[str], Awaitable[int]] = _count_nothing
    share: Callable[[], float] = _plenty
    _counted: dict[str, int] = field(default_factory=dict)
    _added: dict[str, int] = field(default_factory=dict)

    async def used(self, agency_id: str) -> int:
        """Count the agency's unsent bytes."""
        self._counted[agency_id], self._added[agency_id] = await self.count(agency_id), 0
        return self._counted[agency_id]

    async def admit(self, agency_id: str, size: int) -> None:
        """Admit that many bytes of an agency. Raise OverBudget where they do not fit."""
        if not self.limit:
            return
        allowed = int(self.limit * self.share())
        added = self._added.get(agency_id, 0)
        used = self._counted.get(agency_id, 0) + added
        if agency_id not in self._counted or added > self.limit // 10 or used + size > allowed:
            used = await self.used(agency_id)
        if used + size > allowed:
            raise OverBudget(
                f"the agency keeps {used} unsent bytes, {allowed} are allowed now, and these would be {size} more; send or "
                "discard drafts and uploads first",
                used=used,
                allowed=allowed,
            )
        self._added[agency_id] = self._added.get(agency_id, 0) + size
