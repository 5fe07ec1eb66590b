"""The promise of whatever carries packets between nodes, and the values it moves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, Protocol, runtime_checkable

from gateway.domain.document import Lane
from gateway.domain.forms import Form, Handed
from gateway.domain.identity import Digest
from gateway.domain.routes import Trail

TO_NODE = "@"
"""Before the name of a node that is a recipient itself; no agency code begins with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """Bytes plus unsigned routing: what every axis adapter moves. `trails`, by recipient: what earlier tries left behind,
    which only he reads who chooses among axes. `form`: how its recipients' axis is to be handed it; `digest` and `size` are
    those of the standard file all the same."""

    packet_id: str
    kind: str
    sender: str
    lane: Lane
    digest: Digest
    size: int
    open: Callable[[], BinaryIO]
    trails: Mapping[str, Trail] = field(default_factory=dict)
    form: Form = Form.STANDARD


class Fate(StrEnum):
    """What the axis said about one recipient of a published parcel."""

    DELIVERED = "delivered"
    LATER = "later"
    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """`unsure`, unless DELIVERED: the axis may have it all the same; with NEVER a person decides. `axis`: of several the
    one that said so, or with which the recipient stands from now on; `refused` are those that do not reach it.
    `at_once`: nothing is waited for. `handed`, with DELIVERED: the file that the axis has, where that is not the standard
    one."""

    fate: Fate
    code: str = ""
    detail: str = ""
    unsure: bool = False
    axis: str = ""
    refused: tuple[str, ...] = ()
    at_once: bool = False
    handed: Handed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One parcel handed to a node for one of its agencies, until `settle`. `token` is the adapter's own. `node` is the
    node that the axis vouches for as the publisher (A1), None where it vouches for nobody. `flaw` says why the bytes
    are not a whole parcel, such as parts that never came: it lands in quarantine with these words, never in the flow.
    `file` is where the bytes lie as a finished file that nobody writes to any more, if they do. `axis` is by which of
    several it came. `session` names the authenticated session with a foreign axis by which it came: such an axis writes
    files anew, so it vouches itself."""

    token: str
    recipient: str
    packet_id: str
    kind: str
    sender: str
    lane: Lane
    digest: Digest
    size: int
    deliveries: int
    open: Callable[[], BinaryIO]
    node: str | None = None
    flaw: str = ""
    file: Path | None = None
    axis: str = ""
    session: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Promises:
    """What a kind of axis keeps of the port beyond carrying parcels. `urgent_lane`: the axis itself lets urgent ones pass.
    `unroutable_return`: a recipient that nobody hosts is NEVER at once. `parts`: what is too large for one message comes
    in parts. `node_identity`: it vouches for the publishing node. `byte_identity`: what arrives has the published bytes,
    so a signature over them holds. `resends`: the same bytes published again go out again. `needs_signature`: its
    session vouches for nobody, so whoever receives refuses a file that nobody signed."""

    urgent_lane: bool = True
    unroutable_return: bool = True
    parts: bool = True
    node_identity: bool = True
    byte_identity: bool = True
    resends: bool = True
    needs_signature: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadParcel:
    """A parcel that was delivered too often and never settled; it waits for a person. `recipient` names every code it
    was for, separated by spaces."""

    id: str
    recipient: str
    packet_id: str
    kind: str
    sender: str
    lane: Lane
    digest: Digest
    size: int
    deliveries: int
    dead_at: datetime | None
    reason: str
    axis: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisState:
    """Whether parcels can move now. Connected: `connected_since`. Not: `down_since` (None when nobody asked for a
    connection yet), and `reason` says why in words. Connected but `blocked_since`: the axis takes nothing for now. Of
    several axes: connected and `down_since` when some are and some are not."""

    connected_since: datetime | None = None
    down_since: datetime | None = None
    blocked_since: datetime | None = None
    reason: str = ""
    servers: tuple[str, ...] = ()

    @property
    def word(self) -> str:
        """`blocked`, `up`, `partly` where some of several are, `down`, or `idle` where nobody needed it yet."""
        if self.blocked_since is not None:
            return "blocked"
        if self.down_since is None:
            return "up" if self.connected_since is not None else "idle"
        return "partly" if self.connected_since is not None else "down"

    @property
    def since(self) -> datetime | None:
        return self.blocked_since or self.connected_since or self.down_since


class Axis(Protocol):
    """Moves parcels between nodes; at least once, in no promised order."""

    async def publish(self, parcel: Parcel, routes: Sequence[str]) -> Mapping[str, Outcome]:
        """One upload for many recipients. DELIVERED only once the axis has it durably; NEVER for a recipient that
        nobody hosts (unroutable return) or a parcel over the axis's limit; LATER for what may heal. Same bytes may be
        published again: receivers tolerate repeats."""

    async def unhosted(self, routes: Sequence[str]) -> frozenset[str] | None:
        """Those for which nobody receives now; None while the axis does not say so within a few seconds. Moves nothing."""

    async def host(self, codes: Sequence[str]) -> None:
        """Says that this node receives for these codes; replaces what it said before. Durable on return."""

    async def take(self, limit: int, lease_s: float) -> Sequence[Arrival]:
        """Up to `limit` parcels for the codes this node hosts, urgent lane first; each comes again when it is not
        settled within `lease_s`. After the poison limit of deliveries it goes to the dead list instead."""

    async def settle(self, arrival: Arrival, *, done: bool) -> None:
        """`done`: the next owner has it durably, forget it. Otherwise: give it again. A stale token changes nothing."""

    async def wait(self, timeout_s: float) -> None:
        """Returns when something may have arrived, or after the time."""

    async def close(self) -> None:
        """What is leased comes again to whoever takes next. A second call does nothing."""


class AxisDesk(Axis, Protocol):
    """An axis as a person looks after it: what is under way, and what was put aside."""

    def promises(self) -> Promises:
        """What this kind of axis keeps; the same for its whole life."""

    def state(self) -> AxisState:
        """How the axis is now, from memory: it may be asked as often as one likes."""

    async def counts(self) -> Mapping[str, int]:
        """Parcels `waiting` (of which `urgent`), `leased` and `dead`, as far as this node may see."""

    async def oldest(self) -> datetime | None:
        """Since when the oldest parcel waits for this node; None where none does, or the axis does not tell."""

    def in_hand(self) -> Mapping[str, int]:
        """What of it this process holds and no other one can count, by the same names, from memory."""

    async def dead_list(self) -> Sequence[DeadParcel]:
        """Oldest first."""

    async def dead_open(self, id: str) -> BinaryIO:
        """The bytes of a dead parcel, to look into. NotFound when it is not on the dead list."""

    async def dead_retry(self, id: str) -> None:
        """It is due again with its deliveries counted from zero; nothing is lost whenever this is cut short. NotFound
        when it is not on the dead list."""

    async def dead_drop(self, id: str, reason: str) -> None:
        """It is gone for good; the log keeps the reason. NotFound when it is not on the dead list."""


@runtime_checkable
class ManyAxes(Protocol):
    """An axis that is made of several."""

    @property
    def axes(self) -> Mapping[str, AxisDesk]:
        """By name, each to be asked by itself."""

    def state_of(self, name: str) -> AxisState:
        """How that one is now: what it says of itself, and what came of the calls to it."""

    async def order(self, sender: str, code: str) -> Sequence[str]:
        """The axes that mail from that agency to that code may take, the first choice first."""

    async def form(self, sender: str, code: str) -> Form:
        """How such mail is written for axes that may be handed other forms than the standard one."""


def each_axis(axis: AxisDesk) -> Mapping[str, AxisDesk]:
    """Those it is made of, by name; of one axis that one, without a name."""
    return axis.axes if isinstance(axis, ManyAxes) else {"": axis}


def each_state(axis: AxisDesk) -> Mapping[str, AxisState]:
    """As `each_axis`, how each is now."""
    if isinstance(axis, ManyAxes):
        return {name: axis.state_of(name) for name in axis.axes}
    return {"": axis.state()}
