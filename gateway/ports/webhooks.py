"""The promises behind webhooks: their rows with what became of each event, who signs a body, and who carries it to an
address. The event log stays the one source: what is kept beside it is how far each webhook was told, and what has to be
told again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gateway.domain.account import AgencyScope
from gateway.domain.event import EventKind
from gateway.domain.feed import ClientWords
from gateway.domain.webhook import (
    Delivery,
    DeliveryState,
    Endpoint,
    EndpointFigures,
    KeptSecret,
    PauseWhy,
    TryCode,
)
from gateway.ports.queues import Lease


@dataclass(frozen=True, slots=True, kw_only=True)
class LeasedEndpoint:
    endpoint: Endpoint
    lease: Lease


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a worker did for one endpoint, to be kept together or not at all. `cursor` is how far it is told now;
    `revived` says that something came through after tries that failed, so that what failed since the endpoint was well is
    due at once."""

    cursor: int
    suspects: int
    deliveries: tuple[Delivery, ...] = ()
    last_ok_at: datetime | None = None
    last_try_at: datetime | None = None
    slow: bool = False
    revived: bool = False
    pause: PauseWhy | None = None
    gave_up: tuple[Delivery, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookLoad:
    """Of the whole node: endpoints by `active`, `failing`, `paused`, and how many of the last nobody paused by hand; events
    that wait, and since when the oldest does."""

    endpoints: Mapping[str, int]
    dead: int = 0
    waiting: int = 0
    oldest: datetime | None = None


class Webhooks(Protocol):
    """Each call is a transaction of its own; what changes an endpoint commits with the event that tells of it."""

    async def listed(self, agency_id: str) -> Sequence[Endpoint]:
        """Oldest first."""

    async def get(self, agency_id: str, id: str) -> Endpoint:
        """NotFound where the agency has none."""

    async def add(self, scope: AgencyScope, endpoint: Endpoint) -> None:
        """Clash when the agency has as many as it may."""

    async def change(
        self,
        scope: AgencyScope,
        id: str,
        make: Callable[[Endpoint], Endpoint],
        told: EventKind,
        *,
        version: int | None = None,
    ) -> Endpoint:
        """The endpoint as `make` has it now, its version one higher. StaleVersion when that is not the version it has. One
        that goes on after a pause has everything that waits due at once, its tries counted anew."""

    async def has_key(self, endpoint: Endpoint) -> bool:
        """False where a program made it that has no key for its agency any more."""

    async def pause_without_key(self, principal_id: str, by: str) -> Sequence[Endpoint]:
        """Pause the active ones which that program made and has no key for any more; those that were."""

    async def remove(self, scope: AgencyScope, id: str) -> None:
        """With everything that is known of its deliveries."""

    async def redeliver(self, scope: AgencyScope, id: str, sequences: Sequence[int] | None) -> int:
        """These events are due at once, also those of which nothing is kept any more; without any, all that were given up.
        How many. NotFound for a number that is no event of the agency."""

    async def log(
        self, agency_id: str, id: str, limit: int, *, before: int = 0, state: DeliveryState | None = None
    ) -> Sequence[Delivery]:
        """Newest event first, those before that sequence."""

    async def delivery(self, agency_id: str, id: str, sequence: int) -> Delivery | None: ...

    async def figures(self, agency_id: str, ids: Collection[str]) -> Mapping[str, EndpointFigures]: ...

    async def newest(self, agency_id: str) -> int:
        """The sequence of the agency's newest event."""

    async def client_words(self, agency_id: str, ids: Collection[str]) -> ClientWords:
        """What clients said of these documents beside what is in them: `external_id`, `callback_data`, the trace of the
        call."""

    async def claim(self, limit: int, lease_s: float, *, slow: bool) -> Sequence[LeasedEndpoint]:
        """Active endpoints of every agency, of the slow ones or of the others, that have something to be told now and that
        nobody tells; the longest untold first. Durable on return."""

    async def due(self, endpoint: Endpoint, now: datetime, limit: int) -> Sequence[Delivery]:
        """Waiting deliveries whose time has come, in the order of their events."""

    async def waiting(self, endpoint: Endpoint) -> int:
        """How many deliveries wait, due or not."""

    async def record(self, leased: LeasedEndpoint, report: Report) -> None:
        """Everything of the report, and the endpoint is free for others. StaleLease, and nothing kept, when the lease is no
        longer ours or the endpoint was removed."""

    async def release(self, leased: LeasedEndpoint) -> None:
        """Free for others at once, nothing changed. Harmless when it is no longer ours."""

    async def trim(self, before: datetime, most: int) -> int:
        """Takes out deliveries with an end that are older, and of each endpoint those beyond the newest; how many."""

    async def load(self) -> WebhookLoad: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """How it went, and the beginning of the answer as it came."""

    code: TryCode
    status: int | None = None
    answer: bytes = b""


class Poster(Protocol):
    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Posted:
        """One try, within limits of time and size, to an address that may be reached. Never raises for what the other side
        does; no redirect is followed."""


class WebhookSecrets(Protocol):
    """Sync, and the first call may write a file: call it in the pool. Misconfigured when the node's key does not open."""

    def new(self, webhook_id: str) -> tuple[str, str]:
        """A secret, to be shown once, and what is kept of it: sealed for this node and that webhook."""

    def headers(
        self, webhook_id: str, secrets: Sequence[KeptSecret], event_id: str, at: datetime, body: bytes
    ) -> Mapping[str, str]:
        """Standard Webhooks: the id, the time, and a signature under each secret that is good at that time."""
