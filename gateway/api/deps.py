"""What the API is handed by the wiring, and the promises it needs beyond the shared ports: the keys of callers, the
directory as a list, the import of registry rows. Adapters do not inherit from these; `build` is given ones that fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol

from gateway.domain.account import ApiScope, HostedAgency, Principal
from gateway.domain.registry import AgencyEntry, Resolution
from gateway.domain.registry_change import Plan, RegistryChange
from gateway.incoming.desk import InDesk
from gateway.outgoing.desk import OutDesk
from gateway.ports import Blobs, Clock, Pool, Store

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiOptions:
    """Limits of the front door. `body_bytes` is for JSON calls, `import_bytes` for a registry file; a part of a
    multipart beyond the first is bounded by the rules (R13)."""

    meta_bytes: int = MIB
    body_bytes: int = MIB
    import_bytes: int = 64 * MIB
    max_parts: int = 101
    upload_s: float = 600.0
    poll_s: float = 60.0
    page_rows: int = 200
    lease_s: int = 3600


class KeyGrant(Protocol):
    """What one API key allows: who acts with it, in which scopes, for which agencies of this node."""

    @property
    def key_id(self) -> str: ...

    @property
    def principal(self) -> Principal: ...

    @property
    def scopes(self) -> frozenset[ApiScope]: ...

    @property
    def agencies(self) -> Sequence[HostedAgency]: ...


class Accounts(Protocol):
    async def find_key(self, secret_hash: str) -> KeyGrant | None:
        """The grant of a key in force now; None when it is unknown, expired or revoked."""


class Registry(Protocol):
    """The agency-code directory, asked and listed."""

    async def find(self, code: str, on: date) -> AgencyEntry | None: ...

    async def resolve(self, text: str, on: date, parent: str | None = None) -> Resolution: ...

    async def search(self, text: str, limit: int) -> Sequence[AgencyEntry]:
        """Entries whose code, alias or name has the text; letter case and accents ignored."""

    async def entries(self, after: str, limit: int) -> Sequence[AgencyEntry]:
        """Entries in order of their codes, from behind `after`."""

    async def changes(self, since: datetime | None, limit: int) -> Sequence[RegistryChange]:
        """Applied changes, oldest first."""


class Importer(Protocol):
    """Changes the registry from a file, in two steps."""

    async def plan(self, csv_bytes: bytes) -> Plan:
        """What the file would change; nothing is written, every bad row is among the problems."""

    async def apply(self, plan: Plan, principal: str) -> RegistryChange:
        """The plan is in force and recorded. Clash when the registry changed since, or the plan has problems."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiDeps:
    """Everything the API works with; made by the wiring."""

    store: Store
    accounts: Accounts
    blobs: Blobs
    directory: Registry
    importer: Importer
    out: OutDesk
    inn: InDesk
    clock: Clock
    pool: Pool
    version: str
    options: ApiOptions = field(default_factory=ApiOptions)
