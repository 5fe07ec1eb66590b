"""Budget of bytes that an agency may keep on the node without sending them: drafts, uploads, documents that wait. In: an
agency and the size of what comes. Out: OverBudget where it would be too much, with used and allowed bytes.

Rows are the truth. Between two counts a process only adds what it admitted itself, so that no document costs a query; it
counts again after a tenth of the budget and before each refusal. What is admitted and has no row yet is held, so that calls
at once take no more than calls one after the other. On a disk that grows full the budget shrinks: those that
hold most are refused first, and arrivals go on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
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
    _counted: Counter[str] = field(default_factory=Counter)
    _added: Counter[str] = field(default_factory=Counter)
    _held: Counter[str] = field(default_factory=Counter)

    async def used(self, agency_id: str) -> int:
        """Count the agency's unsent bytes."""
        before = self._added[agency_id]
        counted = self._counted[agency_id] = await self.count(agency_id)
        # The count may lack what was stored while it ran.
        self._added[agency_id] = max(0, self._added[agency_id] - before)
        return counted

    async def admit(self, agency_id: str, size: int, call: ExitStack) -> None:
        """Admit that many bytes of an agency, and hold them until `call`, which stores them, ends. Raise OverBudget where
        they do not fit."""
        if not self.limit:
            return
        allowed, is_new = int(self.limit * self.share()), agency_id not in self._counted
        if is_new or self._added[agency_id] > self.limit // 10 or self._sum(agency_id) + size > allowed:
            await self.used(agency_id)
        used = self._sum(agency_id)
        if used + size > allowed:
            raise OverBudget(
                f"the agency keeps {used} unsent bytes, {allowed} are allowed now, and these would be {size} more; send or "
                "discard drafts and uploads first",
                used=used,
                allowed=allowed,
            )
        self._held[agency_id] += size
        call.callback(self._release, agency_id, size)

    def _sum(self, agency_id: str) -> int:
        return self._counted[agency_id] + self._added[agency_id] + self._held[agency_id]

    def _release(self, agency_id: str, size: int) -> None:
        self._held[agency_id] -= size
        self._added[agency_id] += size
