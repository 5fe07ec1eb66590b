"""What the pages ask of the exchange beside its flows: the directory to choose recipients from and the registry that
stands behind it, certificates, with whom mail goes on; the signed packets behind a document, what one says byte for
byte and whether it holds; and the helper that puts the agency's own signature on a PDF. In: an agency's scope and
ids. Kept by adapters in `office.node`; nothing of a recalled or sealed document is ever opened."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import date, datetime
from typing import BinaryIO, Protocol

from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.pdf import Placement, Wish
from gateway.domain.proof import Binding, Evidence, Step
from gateway.domain.registry import AgencyEntry, AgencyFilter, Resolution
from gateway.domain.registry_change import Plan, RegistryChange
from gateway.domain.registry_reform import LegacyCode
from gateway.ports import AgencyBook, Page


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """One signed packet. `way` is `out` or `in`; `absent` says why its bytes are not there: recalled, sealed, purged."""

    digest: str
    kind: str
    way: str
    packet_id: str
    sender: str
    to: tuple[str, ...]
    at: datetime
    size: int
    status: str | None = None
    absent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What was found for the time of the packet, with what is known of certificates today. `word`: valid, invalid or
    unknown; `certificate` by SHA-256; `receipt_of` is the packet that a receipt inside says was received."""

    word: str
    at: datetime
    code: str | None = None
    steps: tuple[Step, ...] = ()
    evidence: Evidence | None = None
    certificate: str = ""
    signed_at: datetime | None = None
    receipt_of: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyPack:
    """An evidence pack, ready to be streamed."""

    name: str
    size: int
    pieces: AsyncIterator[bytes]


class Packets(Protocol):
    async def of(self, scope: AgencyScope, id: str) -> Sequence[Packet]:
        """Of a document sent or received, oldest first. NotFound when the agency has no such document."""

    async def find(self, scope: AgencyScope, id: str, digest: str, sender: str = "") -> Packet:
        """The packet of that document by the digest of its file; with a sender also by that of what it signed. NotFound
        when the document has none such."""

    async def judge(self, scope: AgencyScope, id: str, digest: str) -> Opinion | None:
        """By the digest of the file; None where its bytes are withheld."""

    async def read(self, scope: AgencyScope, id: str, digest: str) -> AsyncIterator[bytes]:
        """The file as it was signed. Clash where it is withheld."""

    async def pack(self, scope: AgencyScope, id: str) -> ReadyPack:
        """Everything that proves the document, in one file. An event tells that it was made."""


class AgencyTree(AgencyBook, Protocol):
    """The directory as a list and as a tree."""

    async def children(self, code: str) -> Sequence[AgencyEntry]:
        """The entries directly under this one, in code order."""

    async def bound(self, codes: Collection[str], at: datetime) -> Collection[str]:
        """Those of these codes for which some certificate speaks at that moment."""


class Signing(Protocol):
    """Signs in person (R23a): the PIN is used for one signature and forgotten; no key stays open."""

    @property
    def is_ready(self) -> bool:
        """Whether a token can be reached from this node at all."""

    async def plan(
        self, agency: HostedAgency, source: Callable[[], BinaryIO], wish: Wish
    ) -> tuple[Placement, bytes]:
        """Where the signature would show, and that page as a PNG. Refused where the file may not be signed."""

    def signed(
        self, scope: AgencyScope, agency: HostedAgency, source: Callable[[], BinaryIO], wish: Wish, pin: str
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The signed file, piece by piece; it is gone at the end. Refused, Denied or Clash where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedCertificate:
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
