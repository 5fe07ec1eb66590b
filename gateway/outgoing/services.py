"""Holds the ports and the frozen values of rules that every step of the way out gets, and says which key signs for an
agency now (W9, usable keys; K5, roll-over), by the registry's bindings of its code and the keys that persons ended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING

from gateway.domain.certificates import KeyUse
from gateway.domain.share import Share
from gateway.domain.wall_clock import local
from gateway.edxml.policy import XmlPolicy
from gateway.outgoing.reach import Reach
from gateway.policy import trust
from gateway.policy.profile import Profile
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
    """The tools of the way out. Made once by the wiring; holds no state of its own."""

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
    """The clock that tells when a packet that cannot be sent is too old: it follows no jump."""
    pool: Pool
    profile: Profile
    xml: XmlPolicy
    stopwatch: Stopwatch
    wake: Callable[[], None]
    """Called after a commit that made work: the workers look at once, also in other processes on one server."""
    wake_couriers: Callable[[], None]
    """The same, where all the work is packets that are signed already."""
    own_rows: OwnRows
    """Packets that are signed already, for the courier of this process."""

    admits: Callable[[], Awaitable[None]] = _admit_always
    """Raises while the node takes in no documents."""
    general_turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))
    """An envelope signed elsewhere, in another form than ours, is held whole while it is read (G1, bounded memory)."""

    reach: Reach = field(default_factory=Reach)

    signed_at_once: Share = field(default_factory=lambda: Share(SIGNED_AT_ONCE))
    """Large envelopes are signed while their sender waits, so long as there are few; else by jobs, urgent ones first."""

    def today(self) -> date:
        """Return the date on a clerk's calendar now."""
        return local(self.clock.now()).date()


async def signing_keys(services: OutgoingServices, agency_code: str, now: datetime) -> KeyUse:
    """Return which of the agency's certificates may sign at that moment."""
    return await signing_keys_from(services.directory, services.store, agency_code, now)


async def signing_keys_from(
    directory: SqlDirectory, store: SqlStore, agency_code: str, now: datetime
) -> KeyUse:
    """Return the same, for callers without the services."""
    bindings = await directory.bindings(agency_code)
    return trust.key_use_of(agency_code, bindings, await store.key_ends(agency_code), now)
