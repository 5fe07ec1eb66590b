"""The promise of whatever carries packets between nodes, and the values it moves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, Protocol

from gateway.domain.document import Lane
from gateway.domain.identity import Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """Bytes plus unsigned routing: what every axis adapter moves."""

    packet_id: str
    kind: str
    sender: str
    lane: Lane
    digest: Digest
    size: int
    open: Callable[[], BinaryIO]


class Fate(StrEnum):
    """What the axis said about one recipient of a published parcel."""

    DELIVERED = "delivered"
    LATER = "later"
    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    fate: Fate
    code: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One parcel handed to a node for one of its agencies, until `settle`. `token` is the adapter's own. `node` is the
    node that the axis vouches for as the publisher (A1), None where it vouches for nobody. `flaw` says why the bytes
    are not a whole parcel, such as parts that never came: it lands in quarantine with these words, never in the flow.
    `file` is where the bytes lie as a finished file that nobody writes to any more, if they do."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisState:
    """Whether parcels can move now. Connected: `connected_since`. Not: `down_since` (None when nobody asked for a
    connection yet), and `reason` says why in words. Connected but `blocked_since`: the axis takes nothing for now."""

    connected_since: datetime | None = None
    down_since: datetime | None = None
    blocked_since: datetime | None = None
    reason: str = ""
    servers: tuple[str, ...] = ()


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

    def state(self) -> AxisState:
        """How the axis is now, from memory: it may be asked as often as one likes."""

    async def counts(self) -> Mapping[str, int]:
        """Parcels `waiting` (of which `urgent`), `leased` and `dead`, as far as this node may see."""

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
