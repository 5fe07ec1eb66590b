"""What the pages of agencies ask of the registry: entries, former codes, certificates, and the file that changes it; and of
the store, with whom mail goes on."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from gateway.domain.proof import Binding
from gateway.domain.registry import AgencyEntry, AgencyFilter, Resolution
from gateway.domain.registry_change import Plan, RegistryChange
from gateway.domain.registry_reform import LegacyCode
from gateway.ports import Page


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFacts:
    """What people compare of a certificate. One that cannot be read has question marks for names, and no days."""

    fingerprint: str
    subject: str = "?"
    issuer: str = "?"
    serial: str = ""
    begins: datetime | None = None
    ends: datetime | None = None


class ExchangeCertificates(Protocol):
    """Certificates that shall speak for agencies, before they are proposed."""

    def binding(self, code: str, pem: bytes, what: str) -> Binding:
        """Misconfigured for what is no certificate, Clash for one that is not for signing. Sync: call it in the pool."""

    async def never_for_pdfs(self, certificates: Iterable[bytes]) -> None:
        """Clash for the certificate of a key that signed a PDF here."""


class Contacts(Protocol):
    """With which agencies mail goes on: by the mail of one agency of this node, or of all for the empty id."""

    async def last_heard(self, entries: Sequence[AgencyEntry], agency_id: str = "") -> Mapping[str, datetime]:
        """By code, when a packet of the agency was last admitted; who was never heard is no key."""

    async def silent(
        self, wanted: AgencyFilter, limit: int, cursor: str | None = None, agency_id: str = ""
    ) -> Page[AgencyEntry]:
        """Those wanted, in code order, to which nothing went and from which nothing came for six months. Whose mail it is
        about is not among them."""


class AgencyRegistry(Protocol):
    async def entry(self, code: str) -> AgencyEntry | None:
        """The entry of this code as of today, whether in force or not."""

    async def believed(self, code: str, on: date, at: datetime) -> AgencyEntry | None:
        """What was believed at that moment of a code on that day."""

    async def resolve(self, text: str, on: date, parent: str | None = None) -> Resolution: ...

    async def search(self, text: str, limit: int = 20) -> Sequence[AgencyEntry]:
        """Entries by the beginning of a code, or by words of the name without accents or case."""

    async def children(self, code: str) -> Sequence[AgencyEntry]:
        """The entries directly under this one, in code order."""

    async def entries(self, limit: int = 100, cursor: str | None = None) -> Page[AgencyEntry]:
        """All entries in code order, a page at a time."""

    async def filtered(
        self, wanted: AgencyFilter, limit: int = 100, cursor: str | None = None
    ) -> Page[AgencyEntry]:
        """Those entries in code order that are wanted, a page at a time."""

    async def last_changed(self, codes: Collection[str]) -> Mapping[str, datetime]:
        """When the entry of each code, or a certificate bound to it, last changed; a page of a list at a time."""

    async def legacy(self, code: str | None = None) -> Sequence[LegacyCode]:
        """The table of old codes, or the lines of one."""

    async def changes(self, since: datetime | None = None, limit: int = 100) -> Sequence[RegistryChange]:
        """Applied changes since that moment, oldest first."""

    async def plan_import(self, csv_bytes: bytes) -> Plan:
        """What the file would change; nothing is written, every bad row is among the problems."""

    async def apply(self, plan: Plan, principal: str) -> RegistryChange:
        """The plan is in force and recorded. Clash when the registry changed since, or the plan has problems."""

    def needs_two(self, plan: Plan) -> bool:
        """Whether a second person must approve it."""

    async def bindings(self, code: str) -> Sequence[Binding]:
        """Every certificate bound to exactly this code."""
