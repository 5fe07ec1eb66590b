"""What the page of a new document is promised by other rings: the directory to choose recipients from, and the helper that
puts the agency's own signature on a PDF."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import BinaryIO, Protocol

from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.pdf_signing import Placement, Wish
from gateway.domain.registry import AgencyEntry
from gateway.ports import AgencyBook


class Agencies(AgencyBook, Protocol):
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
