"""What the pages ask of the exchange beside its flows and its registry: what people compare of a certificate, with whom
mail goes on, and the helper that puts the agency's own signature on a PDF. In: an agency's scope and ids. Kept by
adapters in `office.node`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Protocol

from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.pdf import Placement, Wish
from gateway.domain.registry import AgencyEntry, AgencyFilter
from gateway.ports import Page


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
