"""What the pages ask about the signed packets behind a document: which there are, what one says byte for byte, and whether
it holds. In: an agency's scope and ids. Kept by an adapter; nothing of a recalled or sealed document is ever opened."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gateway.domain.account import AgencyScope
from gateway.domain.proof import Evidence, Step


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
class Pack:
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

    async def pack(self, scope: AgencyScope, id: str) -> Pack:
        """Everything that proves the document, in one file. An event tells that it was made."""
