"""Holds the ports and the fixed settings that every step of the way out uses, and tells which key may sign for an agency
now (W9, usable keys; K5, roll-over), by the registry's bindings of its code and the keys that persons ended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING

from gateway.budgets import ByteBudget
from gateway.domain.account import AgencyScope
from gateway.domain.certificates import KeyUse
from gateway.domain.office_calendar import OfficeCalendar
from gateway.domain.share import Share
from gateway.domain.wall_clock import local
from gateway.edxml.policy import XmlPolicy
from gateway.outgoing.reach import Reach
from gateway.policy import trust
from gateway.policy.profile import Profile, for_agency
from gateway.ports.axis import ManagedAxis
from gateway.ports.services import Clock, PdfSignatures, Pool, Scanner
from gateway.stopwatch import Stopwatch

if TYPE_CHECKING:
    from gateway.registry.directory import SqlDirectory
    from gateway.store.blobs import FileBlobs
    from gateway.store.outbox import OwnRows
    from gateway.store.store import SqlStore
    from gateway.trust.inspector import FileInspector
    from gateway.trust.keys import KeyDirectory

SIGNED_AT_ONCE = 64 * 1024 * 1024


async def _admit_always() -> None:
    """Admit every document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingServices:
    """Ports and settings of the way out, made once by the wiring."""

    store: SqlStore
    blobs: FileBlobs
    axis: ManagedAxis
    directory: SqlDirectory
    keys: KeyDirectory
    inspector: FileInspector
    scanner: Scanner
    signatures: PdfSignatures
    clock: Clock
    aging: Clock
    """Clock for the age of packets that wait to be sent. It does not follow jumps of the system clock."""
    pool: Pool
    profile: Profile
    xml: XmlPolicy
    stopwatch: Stopwatch
    wake: Callable[[], None]
    """Wakes the workers after a commit that made work, also those of other processes on this server."""
    wake_couriers: Callable[[], None]
    """Wakes only the couriers, where the new work is packets that are already signed."""
    office: Callable[[str], Awaitable[OfficeCalendar]]
    """Returns the current calendar of an agency."""
    own_rows: OwnRows
    """Signed packets for the courier of this process, which it gets without a claim."""

    admits: Callable[[], Awaitable[None]] = _admit_always
    """Raises an error while the node accepts no documents."""
    general_turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))
    """Limits to one at a time the envelopes signed elsewhere in another form than ours: each is held in memory whole
    while it is read (G1, bounded memory)."""

    unsent: ByteBudget = field(default_factory=ByteBudget)

    reach: Reach = field(default_factory=Reach)

    signed_at_once: Share = field(default_factory=lambda: Share(SIGNED_AT_ONCE))
    """Share of memory for large envelopes that are signed while their sender waits; beyond it, jobs sign them."""

    def today(self) -> date:
        """Return the date on a clerk's calendar now."""
        return local(self.clock.now()).date()


async def profile_of(services: OutgoingServices, scope: AgencyScope) -> Profile:
    """Return the rules of the agency now."""
    _, chosen = await services.store.accounts.with_profile(scope.agency_id)
    return for_agency(services.profile, chosen)


async def signing_keys(services: OutgoingServices, agency_code: str, now: datetime) -> KeyUse:
    """Return which of the agency's certificates may sign at that moment."""
    return await signing_keys_from(services.directory, services.store, agency_code, now)


async def signing_keys_from(
    directory: SqlDirectory, store: SqlStore, agency_code: str, now: datetime
) -> KeyUse:
    """Return which of the agency's certificates may sign, for callers that have no `OutgoingServices`."""
    bindings = await directory.bindings(agency_code)
    return trust.key_use_of(agency_code, bindings, await store.key_ends(agency_code), now)
