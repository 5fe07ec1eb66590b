"""Keeps one partner's mail from filling an agency's mailbox and the disk. In: an arrival that has not landed. Out: whether
it may land. Unhandled mail counts: packets on their way to a document, held or in quarantine, and documents that no
person decided on and no program fetched. A parcel without room is set aside whole on the axis, and
taken again as soon as there is room: nothing is refused, and nothing lost.

The sender is the one that the axis names. A false name gains nothing: the packet then fails verification as unproved,
and those have a quota of their own. Statuses and recalls always land, because they end work."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway import log
from gateway.budgets import ByteBudget
from gateway.domain.document import Kind
from gateway.domain.registry import fold_code
from gateway.errors import GatewayError

if TYPE_CHECKING:
    from gateway.domain.account import HostedAgency
    from gateway.ports.axis import Arrival, ManagedAxis

_log = logging.getLogger(__name__)
_ALWAYS_LAND = frozenset({Kind.STATUS.value, Kind.RECALL.value})


@dataclass(slots=True, kw_only=True)
class PartnerMail:
    """The budget of each partner at each agency, and the mail that this process set aside: the size of the smallest parcel
    by agency and partner; None at start, when an earlier process may have set some aside."""

    budget: ByteBudget = field(default_factory=ByteBudget)
    _smallest: dict[tuple[str, str], int] | None = None

    async def may_land(self, agency_id: str, arrival: Arrival) -> bool:
        """Tell whether the arrival may land; its bytes count from now on."""
        if arrival.kind in _ALWAYS_LAND or arrival.flaw:
            return True
        holder = agency_id, fold_code(arrival.sender)
        used, allowed, fits = await self.budget.take(*holder, arrival.size)
        if not fits:
            self._smallest = self._smallest or {}
            self._smallest[holder] = min(arrival.size, self._smallest.get(holder, arrival.size))
            why = f"{arrival.sender} has {used} bytes of unhandled mail here, {allowed} are allowed now"
            log.action(_log, "arrival.set_aside", why, packet=arrival.packet_id, size=arrival.size)
        return fits

    async def take_back(
        self, axis: ManagedAxis, receiving: Callable[[str, str], Awaitable[HostedAgency | None]]
    ) -> int:
        """Let parcels that were set aside come again as far as there is room; return how many. The dead list is read only
        where a partner has room again, because reading it costs a broker much. `receiving` finds the agency of a parcel."""
        if self._smallest is not None and not any(
            [(await self.budget.ask(*holder, size)).fits for holder, size in self._smallest.items()]
        ):
            return 0
        remaining, count = dict[tuple[str, str], int](), 0
        try:
            for parcel in [parcel for parcel in await axis.dead_list() if parcel.is_aside]:
                agencies = [await receiving(code, parcel.kind) for code in parcel.recipient.split()]
                holders = [(agency.id, fold_code(parcel.sender)) for agency in agencies if agency is not None]
                full = [h for h in holders if not (await self.budget.take(*h, parcel.size)).fits]
                remaining |= {h: min(parcel.size, remaining.get(h, parcel.size)) for h in full}
                if holders and not full:
                    await axis.dead_retry(parcel.id)
                    count += 1
        except GatewayError as error:  # the axis is away, or another process took it first
            log.action(_log, "arrival.stays_aside", str(error), code=error.code)
            return 0
        self._smallest = remaining
        return count
