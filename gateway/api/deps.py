"""Dependencies of the API, given by the wiring, and the protocol of the evidence maker, which lies above the API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from gateway.api.server import CallLog
from gateway.domain.account import KEY_PREFIX, AgencyScope
from gateway.domain.pace import LONGEST_HANDOVER
from gateway.incoming.services import IncomingServices
from gateway.outgoing.services import OutgoingServices
from gateway.ports.axis import ManagedAxis
from gateway.ports.services import Clock, HealthProbe, Pool
from gateway.registry.directory import SqlDirectory
from gateway.registry_authoring.changes import SqlDirectoryChanges
from gateway.store.accounts import HostedAccounts
from gateway.store.blobs import FileBlobs
from gateway.store.store import SqlStore
from gateway.webhooks import WebhookService

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiOptions:
    """Limits of the API. `body_bytes` is for JSON calls, `import_bytes` for a registry file; a part of a multipart beyond
    the first is bounded by the rules (R13, file sizes). Without `rate_per_s` calls are not counted; without `hosts` any
    host is answered. `client_certificates`: `proxies` name proved certificates. `key_prefix`: beginning of keys."""

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
    profile_defaults: Mapping[str, str] = field(default_factory=dict)
    """Settings of the node that hold where an agency's profile chose nothing, by their names."""


class PackFile(Protocol):
    """A file that is read while it is sent."""

    @property
    def name(self) -> str: ...

    @property
    def size(self) -> int: ...

    def pieces(self) -> Iterator[bytes]:
        """Yield the bytes from the beginning, on each call. Sync: take them in the pool."""


class EvidencePacks(Protocol):
    """Maker of one file that proves a document."""

    async def make(self, scope: AgencyScope, id: str) -> PackFile:
        """Make a pack; raise NotFound when the agency has no such document."""

    async def proof(self, scope: AgencyScope, id: str) -> str:
        """Make a small proof; raise NotFound when the agency has no such document, Clash while no seal covers it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiDeps:
    """All dependencies of the API; made by the wiring."""

    store: SqlStore
    accounts: HostedAccounts
    blobs: FileBlobs
    directory: SqlDirectory
    directory_changes: SqlDirectoryChanges
    out: OutgoingServices
    inn: IncomingServices
    axis: ManagedAxis
    clock: Clock
    pool: Pool
    health: HealthProbe
    version: str
    webhooks: WebhookService
    evidence: EvidencePacks | None = None
    calls: CallLog | None = None
    options: ApiOptions = field(default_factory=ApiOptions)
    node: str = ""
    """Name of the node."""
