"""An agency's past assignments and labels, for suggestions beside a letter. In: the agency, its letters of the last year.
Out: the decisions of at most the newest 5,000, read again after a minute. Sealed, recalled and replaced letters are none
of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from gateway.domain.account import AgencyScope
from gateway.domain.agency_profile import OFF, SUGGESTIONS
from gateway_office.letters.agency_memory import AgencyMemory
from gateway_office.services import OfficeIncomingServices

if TYPE_CHECKING:
    from gateway_office.policy.suggestions import PastDecision, PastDecisions
    from gateway_office.store.past_decisions import SqlPastDecisions

    _Reader = Callable[[datetime, int], Awaitable[Sequence[PastDecision]]]

# Each has up to some three megabytes.
_MOST_AGENCIES = 16


@dataclass(slots=True)
class PastMemory:
    """Past decisions by agency, kept in one process."""

    _past: AgencyMemory[PastDecisions] = field(default_factory=lambda: AgencyMemory(_MOST_AGENCIES))
    _labels: AgencyMemory[PastDecisions] = field(default_factory=lambda: AgencyMemory(_MOST_AGENCIES))

    async def load(self, services: OfficeIncomingServices, scope: AgencyScope) -> PastDecisions:
        """Return the assignments; none where the agency wants no suggestions."""
        return await self._load(services, scope, self._past, lambda past: past.newest)

    async def load_labels(self, services: OfficeIncomingServices, scope: AgencyScope) -> PastDecisions:
        """Return the labels that letters carry; none where the agency wants no suggestions."""
        return await self._load(services, scope, self._labels, lambda past: past.newest_labels)

    async def _load(
        self,
        services: OfficeIncomingServices,
        scope: AgencyScope,
        memory: AgencyMemory[PastDecisions],
        reader: Callable[[SqlPastDecisions], _Reader],
    ) -> PastDecisions:
        from gateway_office.policy.suggestions import MOST_DECISIONS, PastDecisions

        now = services.clock.now()

        async def make() -> PastDecisions:
            async with services.store.read(scope) as work:
                chosen = await work.profile.value(SUGGESTIONS, now)
                decisions = [] if chosen == OFF else await reader(work.office.past)(now, MOST_DECISIONS)
            return await services.pool.run(lambda: PastDecisions(decisions))

        return await memory.get(scope.agency_id, now, make)
