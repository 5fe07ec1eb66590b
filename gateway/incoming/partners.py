"""Keeps one partner's mail from filling an agency's mailbox and the disk. In: an arrival that has not landed. Out: whether
it may land. Bytes count that nobody has dealt with: packets on their way to a document, held or in quarantine, and
documents that no person decided on and no program fetched. A parcel without room is set aside whole on the axis, and
taken again as soon as there is room: nothing is refused, and nothing lost.

The sender is the one that the axis names. A false name gains nothing: the packet then fails verification as unproved,
and those have a quota of their own. Statuses and recalls always land, because they end work."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway import log
from gateway.budgets import ByteBudget
from gateway.domain.document import Kind
from gateway.domain.registry import fold_code
from gateway.errors import GatewayError

if TYPE_CHECKING:
    from gateway.domain.account import HostedAgency
    from gateway.ports.axis import Arrival, DeadParcel, ManagedAxis

_log = logging.getLogger(__name__)
_Holder = tuple[str, str]
FindReceiver = Callable[[str, str], Awaitable["HostedAgency | None"]]
_ALWAYS_LAND = frozenset({Kind.STATUS.value, Kind.RECALL.value})


@dataclass(slots=True, kw_only=True)
class PartnerMail:
    """The budget of each partner at each agency, and the mail that this process set aside: the size of the smallest parcel
    by agency and partner; None at start, when an earlier process may have set some aside."""

    budget: ByteBudget = field(default_factory=ByteBudget)
    _aside: dict[_Holder, int] | None = None

    def is_aside(self, sender: str) -> bool:
        """Tell whether mail of this sender waits for room."""
        return any(name == fold_code(sender) for _, name in self._aside or ())

    async def may_land(self, agency_id: str, arrival: Arrival) -> bool:
        """Tell whether the arrival may land; its bytes count from now on. A partner without other mail here always may,
        so that a disk that grows full stops only those that hold something."""
        if arrival.kind in _ALWAYS_LAND or arrival.flaw:
            return True
        sender = fold_code(arrival.sender)
        room = await self.budget.take(agency_id, arrival.size, sender)
        if room.fits or not room.used:
            return True
        self._aside = {} if self._aside is None else self._aside
        _keep_smallest(self._aside, (agency_id, sender), arrival.size)
        why = f"{arrival.sender} has {room.used} bytes here that nobody has dealt with, {room.allowed} are allowed now"
        log.action(_log, "arrival.set_aside", why, packet=arrival.packet_id, size=arrival.size)
        return False

    async def take_back(self, axis: ManagedAxis, receiving: FindReceiver) -> int:
        """Let parcels that were set aside come again as far as there is room; return how many. The dead list is read only
        where a partner has room again, because reading it costs a broker much. `receiving` finds the agency of a parcel."""
        if not self.budget.limit or (self._aside is not None and not await self._any_room(self._aside)):
            return 0
        try:
            remaining, taken = dict[_Holder, int](), 0
            for parcel in await axis.dead_list():
                rooms = await self._rooms(receiving, parcel) if parcel.is_aside else {}
                full = [holder for holder, fits in rooms.items() if not fits]
                for holder in full:
                    _keep_smallest(remaining, holder, parcel.size)
                if rooms and not full:
                    await axis.dead_retry(parcel.id)
                    taken += 1
        except GatewayError as error:  # the axis is away, or another process took it first
            log.action(_log, "arrival.stays_aside", str(error), code=error.code)
            return 0
        self._aside = remaining
        return taken

    async def _any_room(self, aside: Mapping[_Holder, int]) -> bool:
        for (agency_id, sender), size in aside.items():
            used = (await self.budget.used(agency_id)).get(sender, 0)
            if not used or used + size <= self.budget.allowed:
                return True
        return False

    async def _rooms(self, receiving: FindReceiver, parcel: DeadParcel) -> Mapping[_Holder, bool]:
        """Tell at which of our agencies the parcel has room; empty where it is for none of them."""
        sender, rooms = fold_code(parcel.sender), dict[_Holder, bool]()
        for code in parcel.recipient.split():
            if (agency := await receiving(code, parcel.kind)) is not None:
                room = await self.budget.take(agency.id, parcel.size, sender)
                rooms[agency.id, sender] = room.fits or not room.used
        return rooms


def _keep_smallest(sizes: dict[_Holder, int], holder: _Holder, size: int) -> None:
    sizes[holder] = min(size, sizes.get(holder, size))
