"""An agency's past assignments, for suggestions beside a letter. In: the agency, its letters of the last year. Out: the
decisions of at most the newest 5,000, read again after a minute. Sealed, recalled and replaced letters are none of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.domain.account import AgencyScope
from gateway.domain.agency_profile import OFF, SUGGESTIONS
from gateway_office.letters.agency_memory import AgencyMemory
from gateway_office.services import OfficeIncomingServices

if TYPE_CHECKING:
    from gateway_office.policy.suggestions import PastDecisions

# Each has up to some three megabytes.
_MOST_AGENCIES = 16


@dataclass(slots=True)
class PastMemory:
    """Past decisions by agency, kept in one process."""

    _past: AgencyMemory[PastDecisions] = field(default_factory=lambda: AgencyMemory(_MOST_AGENCIES))

    async def load(self, services: OfficeIncomingServices, scope: AgencyScope) -> PastDecisions:
        """Return the decisions; none where the agency wants no suggestions."""
        from gateway_office.policy.suggestions import MOST_DECISIONS, PastDecisions

        now = services.clock.now()

        async def make() -> PastDecisions:
            async with services.store.read(scope) as work:
                chosen = await work.profile.value(SUGGESTIONS, now)
                decisions = [] if chosen == OFF else await work.office.past.newest(now, MOST_DECISIONS)
            return await services.pool.run(lambda: PastDecisions(decisions))

        return await self._past.get(scope.agency_id, now, make)
