"""The promises of the sealed log: where it stands, who signs its seals, who vouches for a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gateway.domain.seal import PublishedSeal, Seal, SignedSeal, Stamp


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
