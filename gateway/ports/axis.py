"""The port of an axis, which carries packets between nodes, and the values that it moves."""

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
"""Prefix of the name of a node that is a recipient itself; no agency code begins with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """Bytes plus unsigned routing: what every axis adapter moves. `trails`, by recipient: what earlier tries left behind,
    read only by the chooser among axes. `form`: the form in which the recipients' axis takes the file; `digest` and `size`
    are those of the standard file in any case."""

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
    """Verdict of the axis on one recipient of a published parcel."""

    DELIVERED = "delivered"
    RETRY = "later"
    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Result of publishing to one recipient. `unsure`, unless DELIVERED: the axis may have the parcel all the same; with
    NEVER a person decides. `axis`: of several axes the one that answered, or to which the recipient is bound from now on;
    `refused` are those that do not reach the recipient. `at_once`: retry without a delay. `handed`, with DELIVERED: the
    file that the axis has, if not the standard one."""

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
    """One parcel handed to a node for one of its agencies, until `settle`. `token` is the adapter's own. `node` is the node
    that the axis vouches for as the publisher (A1), None where it vouches for none. `flaw` says why the bytes are not a
    whole parcel, such as missing parts: the parcel then goes to quarantine with these words. `file` is a finished file with
    the bytes, if there is one. `axis` names the axis, where a node has several. `session` names the authenticated session
    with a foreign axis: such an axis writes files anew, so it vouches itself."""

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
    """Properties of a kind of axis beyond carrying parcels. `urgent_lane`: the axis itself lets urgent parcels pass.
    `unroutable_return`: a recipient that no node hosts is NEVER at once. `parts`: a file too large for one message travels
    in parts. `node_identity`: it vouches for the publishing node. `byte_identity`: arriving bytes are the published ones,
    so a signature over them holds. `resends`: the same bytes published again go out again. `needs_signature`: its session
    vouches for no sender, so a receiver refuses an unsigned file."""

    urgent_lane: bool = True
    unroutable_return: bool = True
    parts: bool = True
    node_identity: bool = True
    byte_identity: bool = True
    resends: bool = True
    needs_signature: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadParcel:
    """A parcel that was delivered too often and never settled; it waits for a person. `recipient` lists its codes,
    space-separated."""

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
    """Connection state of an axis. Connected: `connected_since`. Not: `down_since` (None before the first attempt), and
    `reason` says why in words. Connected but `blocked_since`: the axis takes nothing for now. Of several axes: connected
    and `down_since` when some are and some are not."""

    connected_since: datetime | None = None
    down_since: datetime | None = None
    blocked_since: datetime | None = None
    reason: str = ""
    servers: tuple[str, ...] = ()

    @property
    def word(self) -> str:
        """`blocked`, `up`, `partly` where some of several are, `down`, or `idle` before the first attempt to connect."""
        if self.blocked_since is not None:
            return "blocked"
        if self.down_since is None:
            return "up" if self.connected_since is not None else "idle"
        return "partly" if self.connected_since is not None else "down"

    @property
    def since(self) -> datetime | None:
        return self.blocked_since or self.connected_since or self.down_since


class Axis(Protocol):
    """Mover of parcels between nodes; at least once, in no promised order."""

    async def publish(self, parcel: Parcel, routes: Sequence[str]) -> Mapping[str, Outcome]:
        """Upload once for many recipients. DELIVERED only once the axis has the parcel durably; NEVER for a recipient that
        no node hosts (unroutable return) or a parcel over the axis's limit; LATER for what may heal. Publishing the same
        bytes again is harmless: receivers tolerate repeats."""

    async def unhosted(self, routes: Sequence[str]) -> frozenset[str] | None:
        """Find the routes without a receiver; None where the axis does not tell within a few seconds. Moves nothing."""

    async def host(self, codes: Sequence[str]) -> None:
        """Declare the codes for which this node receives, replacing the earlier ones. Durable on return."""

    async def take(self, limit: int, lease_s: float) -> Sequence[Arrival]:
        """Take up to `limit` parcels for the codes this node hosts, urgent lane first; each comes again when it is not
        settled within `lease_s`. After the poison limit of deliveries it goes to the dead list instead."""

    async def settle(self, arrival: Arrival, *, is_done: bool) -> None:
        """Forget the parcel when `is_done`, which means that the next owner has it durably; otherwise deliver it again. A
        stale token changes nothing."""

    async def wait(self, timeout_s: float) -> None:
        """Return when something may have arrived, or after the time."""

    async def close(self) -> None:
        """Release all leases, so that the next `take` gets those parcels. A second call does nothing."""


class ManagedAxis(Axis, Protocol):
    """An axis as an operator looks after it: parcels under way, and dead ones."""

    def promises(self) -> Promises:
        """Return the properties of this kind of axis; they never change."""

    def state(self) -> AxisState:
        """Return the state from memory, at no cost."""

    async def counts(self) -> Mapping[str, int]:
        """Count parcels `waiting` (`urgent` ones among them), `leased` and `dead`, as far as this node may see."""

    async def oldest(self) -> datetime | None:
        """Return since when the oldest parcel waits for this node; None where there is none, or the axis does not tell."""

    def in_hand(self) -> Mapping[str, int]:
        """Count, by the names of `counts` and from memory, parcels held by this process that no other process can count."""

    async def dead_list(self) -> Sequence[DeadParcel]:
        """List dead parcels, oldest first."""

    async def dead_open(self, id: str) -> BinaryIO:
        """Open the bytes of a dead parcel. NotFound when it is not on the dead list."""

    async def dead_retry(self, id: str) -> None:
        """Make a dead parcel due again with its deliveries counted from zero; an interruption loses nothing. NotFound when
        it is not on the dead list."""

    async def dead_drop(self, id: str, reason: str) -> None:
        """Remove a dead parcel for good; the log keeps the reason. NotFound when it is not on the dead list."""


@runtime_checkable
class ManyAxes(Protocol):
    """An axis that is made of several."""

    @property
    def axes(self) -> Mapping[str, ManagedAxis]:
        """The single axes by name."""

    def state_of(self, name: str) -> AxisState:
        """Return the state of one axis: its own report, and the results of calls to it."""

    async def order(self, sender: str, code: str) -> Sequence[str]:
        """List the axes that mail from that agency to that code may take, the first choice first."""

    async def form(self, sender: str, code: str) -> Form:
        """Choose the form of such mail for axes that take other forms than the standard one."""


def each_axis(axis: ManagedAxis) -> Mapping[str, ManagedAxis]:
    """Map names to the single axes; a plain axis stands under the empty name."""
    return axis.axes if isinstance(axis, ManyAxes) else {"": axis}


def each_state(axis: ManagedAxis) -> Mapping[str, AxisState]:
    """Map names, as in `each_axis`, to states."""
    if isinstance(axis, ManyAxes):
        return {name: axis.state_of(name) for name in axis.axes}
    return {"": axis.state()}
