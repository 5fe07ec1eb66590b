"""What the pages ask of the exchange beside its flows and its registry: what people compare of a certificate, with whom
mail goes on; the signed packets behind a document, what one says byte for byte and whether it holds; and the helper
that puts the agency's own signature on a PDF. In: an agency's scope and ids. Kept by adapters in `office.node`;
nothing of a recalled or sealed document is ever opened."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Protocol

from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.pdf import Placement, Wish
from gateway.domain.proof import Evidence, Step
from gateway.domain.registry import AgencyEntry, AgencyFilter
from gateway.ops.evidence.contents import HeldPacket
from gateway.ports import Page


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
    async def of(self, scope: AgencyScope, id: str) -> Sequence[HeldPacket]:
        """Of a document sent or received, oldest first. NotFound when the agency has no such document."""

    async def find(self, scope: AgencyScope, id: str, digest: str, sender: str = "") -> HeldPacket:
        """The packet of that document by the digest of its file; with a sender also by that of what it signed. NotFound
        when the document has none such."""

    async def judge(self, scope: AgencyScope, id: str, digest: str) -> Opinion | None:
        """By the digest of the file; None where its bytes are withheld."""

    async def read(self, scope: AgencyScope, id: str, digest: str) -> AsyncIterator[bytes]:
        """The file as it was signed. Clash where it is withheld."""

    async def pack(self, scope: AgencyScope, id: str) -> ReadyPack:
        """Everything that proves the document, in one file. An event tells that it was made."""


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


class Contacts(Protocol):
    """With which agencies mail goes on: by the mail of one agency of this node, or of all for the empty id."""

    async def last_heard(self, entries: Sequence[AgencyEntry], agency_id: str = "") -> Mapping[str, datetime]:
        """By code, when a packet of the agency was last admitted; who was never heard is no key."""

    async def silent(
        self, wanted: AgencyFilter, limit: int, cursor: str | None = None, agency_id: str = ""
    ) -> Page[AgencyEntry]:
        """Those wanted, in code order, to which nothing went and from which nothing came for six months. Whose mail it is
        about is not among them."""
