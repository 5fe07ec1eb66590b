"""The promises of what the node writes down of itself: the sealed log, with who signs its seals and who vouches for a
time; programs' calls; samples of its queues and beats of its jobs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from gateway.domain.account import ApiCall, CallCount
from gateway.domain.pace import Beat, JobDay, QueueSample
from gateway.domain.sealed_log import PublishedSeal, Seal, SignedSeal, Stamp


@dataclass(frozen=True, slots=True, kw_only=True)
class LogHead:
    """Where the log stands. `seal` is the newest, `stamped` the newest with a timestamp; `unsealed_since` is the time of
    the oldest event that no seal covers, `unstamped_since` of the oldest thing that no timestamp covers. `published_at`
    is when a seal last left the node."""

    log_id: str = ""
    size: int = 0
    root: bytes = b""
    seal: PublishedSeal | None = None
    stamped: PublishedSeal | None = None
    unsealed_since: datetime | None = None
    unstamped_since: datetime | None = None
    published_at: datetime | None = None


class EventLog(Protocol):
    """The one log of this node's events. Several processes may call all of it at once."""

    async def grow(self, limit: int) -> int:
        """Adds numbered events as leaves, each once, in the order of their numbers; how many. 0 also while another
        process adds. Durable on return."""

    async def head(self) -> LogHead: ...

    async def keep(self, signed: SignedSeal) -> bool:
        """The next seal is kept. False, and nothing changed, when a seal with its number is there."""

    async def stamp(self, number: int, token: bytes, at: datetime) -> None:
        """The token of that seal, which proves that time. One that is there already stays."""

    async def published(self, number: int, at: datetime) -> None:
        """That seal has left the node. An older one than the newest that did changes nothing."""


class SealSigner(Protocol):
    """The key of the log. Sync: call it in the pool."""

    @property
    def public(self) -> bytes:
        """In DER."""

    def sign(self, seal: Seal) -> SignedSeal: ...


class TimeAuthority(Protocol):
    """Vouches for a time. Sync, and asks over the network: call it in the pool."""

    def stamp(self, data: bytes) -> tuple[bytes, Stamp]:
        """A checked token over these bytes. Unreachable when there is none now, InvalidProof for a wrong one."""


class ApiCalls(Protocol):
    """The calls of every key of the node."""

    async def keep(self, calls: Sequence[ApiCall]) -> None:
        """Durable on return. A repeat is harmless."""

    async def trim(self, key_ids: Collection[str], before: datetime, most: int) -> None:
        """Takes out what is older, of every key, and of these keys what is beyond the newest `most`."""

    async def listed(
        self, key_id: str, limit: int, *, errors: bool = False, route: str = "", before: str = ""
    ) -> Sequence[ApiCall]:
        """Newest first, those before the call of that id; `errors` alone, or of one route."""

    async def routes(self, key_id: str) -> Sequence[str]:
        """Which routes it called, by name."""

    async def counts(self, key_ids: Collection[str], since: datetime) -> Mapping[str, CallCount]:
        """Of each key that called since then."""


class NodeHistory(Protocol):
    async def record(
        self,
        beats: Sequence[Beat],
        sampled: Sequence[QueueSample],
        now: datetime,
        off: Collection[str] = (),
        trims: bool = True,
    ) -> None:
        """Keeps what jobs did, what waits in the database now, and what the caller sampled elsewhere; forgets what is too
        old, if it `trims`. A beat that was told before counts once, and so does a moment that several processes sampled.
        Jobs in `off` are not set up here any more: nobody waits for them, and their days are forgotten."""

    async def samples(self, since: datetime, queue: str | None = None) -> Sequence[QueueSample]:
        """Oldest first; of that queue alone, or of all."""

    async def days(self, since: date) -> Sequence[JobDay]:
        """Of every job, oldest first."""
