"""Services of every incoming step: the ports, and the frozen values that say what is acceptable."""

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
from gateway.policy.profile import Profile
from gateway.policy.trust import TrustPolicy
from gateway.ports.axis import Axis
from gateway.ports.services import Clock, PdfSignatures, Pool, Scanner
from gateway.stopwatch import Stopwatch

if TYPE_CHECKING:
    from gateway.registry.directory import SqlDirectory
    from gateway.store.blobs import FileBlobs
    from gateway.store.revocation import SqlRevocationAnswers
    from gateway.store.store import SqlStore
    from gateway.store.work import SignStatus
    from gateway.trust.evidence import NodeTrust
    from gateway.trust.inspector import FileInspector

# G1 (bounded memory): each holds a whole file as a tree; native mail keeps the other threads of the pool.
GENERAL_AT_ONCE = 2
# Bytes of the files that come to their end as they land; the small packets of a batch wait for the look at them.
TAKEN_AT_ONCE = 16 * 1024 * 1024


class LandsFirst(Exception):
    """Reason why a packet that just came lands by itself, to be settled later: a word for the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingServices:
    """Tools of the way in. Made once by the wiring; holds no state of its own."""

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
    """Called after a commit that made work: the workers look at once, also in other processes on one server."""
    trust_policy: TrustPolicy
    office: Callable[[], Awaitable[OfficeCalendar]]
    """Loads the present calendar of this office."""
    sign_status: SignStatus
    axes_to: Callable[[str, str], Awaitable[Sequence[str]]]
    """The axes for mail from an agency of ours to a code; none where there is one axis alone."""
    answers: SqlRevocationAnswers | None = None
    """Keeps the answers about certificates; None where only files tell of them."""
    general_turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(GENERAL_AT_ONCE))
    taken_at_once: Share = field(default_factory=lambda: Share(TAKEN_AT_ONCE))
    """Bytes in files that may come to their end as they land; beyond that a worker claims them."""

    async def agency(self, agency_id: str) -> HostedAgency:
        """Return the hosted agency with this id; NotFound when this node does not host it."""
        for agency in await self.store.hosted():
            if agency.id == agency_id:
                return agency
        raise NotFound(f"this node does not host agency {agency_id}")


def ours(agency: HostedAgency) -> tuple[str, ...]:
    """Return every code that packets may name this agency by."""
    return (agency.code, *agency.aliases)


def is_ours(agency: HostedAgency, code: str | None) -> bool:
    """Compare codes as routing does, without letter case and outer spaces."""
    return code is not None and code.strip().casefold() in _fold_codes(agency.code, agency.aliases)


@lru_cache(maxsize=1024)
def _fold_codes(code: str, aliases: tuple[str, ...]) -> frozenset[str]:
    return frozenset(c.casefold() for c in (code, *aliases))


def from_wall_clock(at: datetime | None) -> datetime | None:
    """Read a naive time of the wire on a Vietnamese wall clock."""
    return None if at is None else at.replace(tzinfo=VIETNAM) if at.tzinfo is None else at
