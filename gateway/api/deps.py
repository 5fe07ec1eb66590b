"""What the API is handed by the wiring, and the promises it needs beyond the shared ports: the keys of callers, and
the directory as a list that can be changed from a file. Adapters do not inherit from these; they only fit."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol

from gateway.api.server import CallLog
from gateway.domain.account import KEY_PREFIX, AgencyScope, ApiKey
from gateway.domain.pace import LONGEST_HANDOVER
from gateway.domain.registry import AgencyEntry, Resolution, Revision
from gateway.domain.registry_change import Plan, RegistryChange
from gateway.incoming.desk import InDesk
from gateway.outgoing.desk import OutDesk
from gateway.ports import AgencyBook, AxisDesk, Blobs, Clock, HealthProbe, Page, Pool, Store
from gateway.webhooks import WebhookDesk

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiOptions:
    """Limits of the front door. `body_bytes` is for JSON calls, `import_bytes` for a registry file; a part of a
    multipart beyond the first is bounded by the rules (R13). Without `rate_per_s` callers are not counted; without
    `hosts` any is answered to. `client_certificates`: whether
    `proxies` say which certificate a caller proved. `key_prefix`: with which keys begin here."""

    meta_bytes: int = MIB
    body_bytes: int = MIB
    import_bytes: int = 64 * MIB
    max_parts: int = 101
    upload_s: float = 600.0
    body_s: float = 30.0
    call_s: float = 900.0
    rate_per_s: float | None = None
    burst: int = 500
    connections: int = 500
    hosts: frozenset[str] = frozenset()
    proxies: frozenset[str] = frozenset({"127.0.0.1", "::1"})
    poll_s: float = 60.0
    lease_s: int = int(LONGEST_HANDOVER.total_seconds())
    client_certificates: bool = False
    key_prefix: str = KEY_PREFIX


class CallerKeys(Protocol):
    async def ended_key(self, secret_hash: str) -> ApiKey | None:
        """The key with this secret that was good once."""

    async def find_key(self, secret_hash: str) -> ApiKey | None:
        """The key with this secret, if it is in force now."""

    async def keys_of_certificate(self, sha256: str) -> Sequence[ApiKey]:
        """Every key that this certificate alone opens or opened, the oldest first."""

    async def touch(self, key: ApiKey) -> None:
        """It is in use."""


class Registry(AgencyBook, Protocol):
    """The agency-code directory, asked, listed and changed from a file."""

    async def resolve(self, text: str, on: date, parent: str | None = None) -> Resolution: ...

    async def entries(self, limit: int = 100, cursor: str | None = None) -> Page[AgencyEntry]:
        """All entries in code order, a page at a time."""

    async def revisions(self, codes: Collection[str]) -> Mapping[str, Revision]:
        """How often and when the entry of each code changed."""

    async def changes(self, since: datetime | None = None, limit: int = 100) -> Sequence[RegistryChange]:
        """Applied changes since that moment, oldest first."""

    async def plan_import(self, csv_bytes: bytes) -> Plan:
        """What the file would change; nothing is written, every bad row is among the problems."""

    async def apply(self, plan: Plan, principal: str) -> RegistryChange:
        """The plan is in force and recorded. Clash when the registry changed since, or the plan has problems."""


class PackFile(Protocol):
    """A file that is read while it is sent."""

    @property
    def name(self) -> str: ...

    @property
    def size(self) -> int: ...

    def pieces(self) -> Iterator[bytes]:
        """From the beginning, each time it is asked. Sync: take them in the pool."""


class EvidencePacks(Protocol):
    """What proves a document, in one file."""

    async def make(self, scope: AgencyScope, id: str) -> PackFile:
        """NotFound when the agency has no such document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiDeps:
    """Everything the API works with; made by the wiring."""

    store: Store
    accounts: CallerKeys
    blobs: Blobs
    directory: Registry
    out: OutDesk
    inn: InDesk
    axis: AxisDesk
    clock: Clock
    pool: Pool
    health: HealthProbe
    version: str
    webhooks: WebhookDesk
    evidence: EvidencePacks | None = None
    calls: CallLog | None = None
    options: ApiOptions = field(default_factory=ApiOptions)
