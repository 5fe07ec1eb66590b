"""Ports and fixed settings that every step of the way in uses; and small helpers for the codes of an agency."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from gateway.domain.account import HostedAgency
from gateway.domain.office_calendar import OfficeCalendar
from gateway.domain.share import Share
from gateway.domain.wall_clock import VIETNAM
from gateway.edxml.policy import XmlPolicy
from gateway.errors import NotFound
from gateway.incoming.partners import PartnerMail
from gateway.policy.profile import Profile
from gateway.policy.trust import TrustPolicy
from gateway.ports.axis import Axis
from gateway.ports.services import Clock, PdfSignatures, Pool, Scanner
from gateway.stopwatch import Stopwatch

if TYPE_CHECKING:
    from gateway.registry.directory import SqlDirectory
    from gateway.store.blobs import FileBlobs
    from gateway.store.pdf_answers import SqlPdfAnswers
    from gateway.store.revocation import SqlRevocationAnswers
    from gateway.store.store import SqlStore
    from gateway.store.work import SignStatus
    from gateway.trust.evidence import NodeTrust
    from gateway.trust.inspector import FileInspector
    from gateway.trust.pdf_authorities import PdfAuthorities

# Envelopes on the general path at a time (G1, bounded memory): each is held whole as a tree. Native mail keeps the pool's
# other threads.
GENERAL_AT_ONCE = 2
# Bytes of file packets that are settled as they land, at a time; the small packets of a batch wait while these are
# examined.
TAKEN_AT_ONCE = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class PdfAsking:
    """Means to ask authorities about the certificates of PDF signatures, and the answers stored so far. Few are asked at a
    time, so that slow ones leave threads to other work."""

    authorities: PdfAuthorities
    answers: SqlPdfAnswers
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))


class LandsFirst(Exception):
    """Signal that a new packet cannot be settled as it lands, so that it lands first. The text is for the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingServices:
    """Ports and settings of the way in, made once by the wiring."""

    store: SqlStore
    blobs: FileBlobs
    axis: Axis
    directory: SqlDirectory
    trust: NodeTrust
    inspector: FileInspector
    scanner: Scanner
    signatures: PdfSignatures
    clock: Clock
    pool: Pool
    profile: Profile
    xml: XmlPolicy
    stopwatch: Stopwatch
    wake: Callable[[], None]
    """Wakes the workers after a commit that made work, also those of other processes on this server."""
    trust_policy: TrustPolicy
    office: Callable[[str], Awaitable[OfficeCalendar]]
    """Loads the present calendar of an agency, by its id."""
    sign_status: SignStatus
    axes_to: Callable[[str, str], Awaitable[Sequence[str]]]
    """Lists the axes for mail from an agency of ours to a code; empty where there is only one axis."""
    answers: SqlRevocationAnswers | None = None
    """Stores revocation answers; None where revocation is known from files only."""
    pdf_asking: PdfAsking | None = None
    """Asks about the certificates of PDF signatures; None where their revocation is known from files only."""
    partners: PartnerMail = field(default_factory=PartnerMail)
    """Budgets of partners, and their mail that waits on the axis for room."""
    general_turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(GENERAL_AT_ONCE))
    taken_at_once: Share = field(default_factory=lambda: Share(TAKEN_AT_ONCE))
    """Share of memory for file packets that are settled as they land; beyond it they land, and a worker claims them."""

    async def agency(self, agency_id: str) -> HostedAgency:
        """Return the hosted agency with this id; NotFound when this node does not host it."""
        for agency in await self.store.hosted():
            if agency.id == agency_id:
                return agency
        raise NotFound(f"this node does not host agency {agency_id}")


def ours(agency: HostedAgency) -> tuple[str, ...]:
    """Return every code that packets may address this agency by."""
    return (agency.code, *agency.aliases)


def is_ours(agency: HostedAgency, code: str | None) -> bool:
    """Tell whether a code names this agency, comparing as routing does: without letter case and outer spaces."""
    return code is not None and code.strip().casefold() in _fold_codes(agency.code, agency.aliases)


@lru_cache(maxsize=1024)
def _fold_codes(code: str, aliases: tuple[str, ...]) -> frozenset[str]:
    return frozenset(c.casefold() for c in (code, *aliases))


def from_wall_clock(at: datetime | None) -> datetime | None:
    """Return the time with the Vietnamese time zone where it has none, as times on the wire."""
    return None if at is None else at.replace(tzinfo=VIETNAM) if at.tzinfo is None else at
