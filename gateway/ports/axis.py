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
"""Prefix of a node's name where the node itself is the recipient; no agency code begins with it."""
LETTER = "letter"
"""Kind of a parcel that is a letter of one node to another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """Bytes with unsigned routing: the unit that axis adapters move. `trails` are the results of earlier tries by
    recipient, read only when one of several axes is chosen. `form` is the form in which the recipients' axis takes the
    file; `digest` and `size` are always those of the standard file."""

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


class DeadCause(StrEnum):
    """Cause for which a parcel is on the dead list; `operating.dead.why.…` and `operating.sort.…` have the words."""

    TRIES = "tries"
    LABEL = "label"
    REFUSED = "refused"
    NOBODY = "nobody"
    NO_ROOM = "no_room"
    UNKNOWN = "unknown"


# Reason of a parcel on the dead list that its node could not take for want of room.
NO_ROOM_REASON = (
    "set aside: its sender has too much unhandled mail here; it is taken again once there is room"
)
# Code of an outcome: no node of the axis receives for the recipient.
UNROUTABLE = "unroutable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Result of publishing to one recipient. `unsure`, unless DELIVERED: the axis may have the parcel nevertheless; with
    NEVER a person decides. `axis`: of several axes the one that answered, or to which the recipient is bound from now on;
    `refused` are axes that do not reach the recipient. `at_once`: retry without a delay. `handed`, with DELIVERED: the
    file that the axis has, if that is not the standard one. `heir` is no word of the axis: the successor that got it in
    place of an ended recipient."""

    fate: Fate
    code: str = ""
    detail: str = ""
    unsure: bool = False
    axis: str = ""
    refused: tuple[str, ...] = ()
    at_once: bool = False
    handed: Handed | None = None
    heir: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedParcel:
    """A parcel that came over the axis, as its label states it. `axis` is the axis's name where a node has several."""

    recipient: str
    packet_id: str
    kind: str
    sender: str
    lane: Lane
    digest: Digest
    size: int
    deliveries: int
    axis: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival(CarriedParcel):
    """One parcel that the axis gave a node for one of its agencies, until `settle`. Only the adapter reads `token`. `node`
    is the publishing node that the axis vouches for (A1), None where it vouches for none. `flaw` tells why the bytes are no
    whole parcel, such as missing parts; such a parcel is quarantined with this text. `file` is a finished file with the
    bytes, if there is one. `session` is the authenticated session with
    a foreign axis, which itself vouches for the sender, because it rewrites files."""

    token: str
    open: Callable[[], BinaryIO]
    node: str | None = None
    flaw: str = ""
    file: Path | None = None
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
class DeadParcel(CarriedParcel):
    """A parcel that was delivered too often without being settled and waits for a person. `recipient` has the recipients'
    codes, separated by spaces. `reason` is the cause in words, with its details."""

    id: str
    dead_at: datetime | None
    cause: DeadCause
    reason: str

    @property
    def is_aside(self) -> bool:
        """True for a parcel that a node set aside for want of room, and takes again by itself."""
        return self.cause is DeadCause.NO_ROOM


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisState:
    """Connection state of an axis. `connected_since` is set while it is connected, `down_since` while it is not (None
    before the first attempt), with the `reason` in words. `blocked_since` is set while it is connected but accepts nothing.
    For several axes together both `connected_since` and `down_since` are set when only some are connected."""

    connected_since: datetime | None = None
    down_since: datetime | None = None
    blocked_since: datetime | None = None
    reason: str = ""
    servers: tuple[str, ...] = ()

    @property
    def word(self) -> str:
        """The state in one word: `blocked`, `up`, `partly` (some of several axes are up), `down`, or `idle` before the
        first attempt to connect."""
        if self.blocked_since is not None:
            return "blocked"
        if self.down_since is None:
            return "up" if self.connected_since is not None else "idle"
        return "partly" if self.connected_since is not None else "down"

    @property
    def since(self) -> datetime | None:
        return self.blocked_since or self.connected_since or self.down_since


class Axis(Protocol):
    """Carrier of parcels between nodes. Each parcel arrives at least once, in no guaranteed order."""

    async def publish(self, parcel: Parcel, routes: Sequence[str]) -> Mapping[str, Outcome]:
        """Publish a parcel, uploaded once, to many recipients; return the outcome by recipient: DELIVERED once the axis has
        the parcel durably, NEVER for a recipient that no node hosts (unroutable return) or a parcel over the axis's limit,
        RETRY for a failure that may pass. Publishing the same bytes again is harmless: receivers tolerate repeats."""

    async def unhosted(self, routes: Sequence[str]) -> frozenset[str] | None:
        """Return the routes that have no receiver, without publishing anything; None when the axis does not tell within a
        few seconds."""

    async def host(self, codes: Sequence[str]) -> None:
        """Register the codes for which this node receives, in place of the earlier ones. Durable on return."""

    async def take(self, limit: int, lease_s: float) -> Sequence[Arrival]:
        """Take up to `limit` parcels for this node's codes, the urgent lane first. A parcel is delivered again when it is
        not settled within `lease_s`; after too many deliveries it is moved to the dead list."""

    async def settle(self, arrival: Arrival, *, is_done: bool) -> None:
        """End a delivery: remove the parcel when `is_done`, because the node has stored it durably; otherwise deliver it
        again. A stale token changes nothing."""

    async def put_aside(self, arrival: Arrival) -> None:
        """End a delivery by moving the parcel to the dead list at once, with the cause `NO_ROOM`. A stale token
        changes nothing."""

    async def wait(self, timeout_s: float) -> None:
        """Wait until a parcel may have arrived, or the time is over."""

    async def close(self) -> None:
        """Release the leases of all taken parcels, so that the next `take` gets them. A second call does nothing."""


class ManagedAxis(Axis, Protocol):
    """An axis with the functions that operators need: its state, parcels under way, and dead parcels."""

    def promises(self) -> Promises:
        """Return the properties of this kind of axis; they never change."""

    def state(self) -> AxisState:
        """Return the connection state as this process knows it, without asking the axis."""

    async def counts(self) -> Mapping[str, int]:
        """Count parcels `waiting` (`urgent` ones among them), `leased` and `dead`, as far as this node may see."""

    async def oldest(self) -> datetime | None:
        """Return since when the oldest parcel waits for this node; None when none waits, or the axis does not tell."""

    def in_hand(self) -> Mapping[str, int]:
        """Count the parcels that only this process knows of, because it holds them, by the names of `counts`."""

    async def dead_list(self) -> Sequence[DeadParcel]:
        """List dead parcels, oldest first."""

    async def dead_open(self, id: str) -> BinaryIO:
        """Open the bytes of a dead parcel. NotFound when it is not on the dead list."""

    async def dead_retry(self, id: str) -> None:
        """Let a dead parcel be delivered again, its deliveries counted from zero; an interruption loses nothing. NotFound
        when it is not on the dead list."""

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
        """List the names of the axes that mail from the agency `sender` to `code` may take, the first choice first."""

    async def form(self, sender: str, code: str) -> Form:
        """Choose the form of mail from `sender` to `code` on axes that take another form than the standard one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemAnswer:
    """Result of asking with one system; `why` is empty when it worked. `mend`: the file with its credentials, when they
    were refused."""

    why: str = ""
    mend: str = ""


@runtime_checkable
class ForeignAxis(Protocol):
    """An axis of others, at which this node signs in with the credentials of systems, and which knows agencies."""

    def hosts(self, codes: Sequence[str]) -> None:
        """Host the codes for one look, without writing them down."""

    async def ask(self) -> Mapping[str, SystemAnswer]:
        """Ask once with each system, and return the result by system id. Systems with the same login are refused
        together."""

    async def read_agencies(self) -> tuple[bytes, int]:
        """Read the agencies that the axis knows, as CSV; return it with the number of entries that are no agency's."""


def each_axis(axis: ManagedAxis) -> Mapping[str, ManagedAxis]:
    """Return the single axes by name; an axis that is not made of several has the empty name."""
    return axis.axes if isinstance(axis, ManyAxes) else {"": axis}


def each_state(axis: ManagedAxis) -> Mapping[str, AxisState]:
    """Return the state of each single axis by the names of `each_axis`."""
    if isinstance(axis, ManyAxes):
        return {name: axis.state_of(name) for name in axis.axes}
    return {"": axis.state()}
