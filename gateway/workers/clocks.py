"""Periodic workers that end rows whose time is over: packets that waited too long, unreferenced content, recalled files,
idempotency keys, uploads, and sealed holds that a crash or a missing key of the head left unsettled. Another judges PDF
signatures again for which answers of authorities were missing; one judges lists of certificates, one takes the lists of
agencies of foreign axes and the issuer's fetched list, and tells the issuer which list is in force. Others check every few
seconds whether packets of unproved senders fill the quarantine, each minute whether mail of partners that was set aside
has room, and whether tables of a server have grown. In: the clock.
Out: rows that ended, bindings and agencies of lists. Content of a hold is unreadable at once; it does not wait for this
loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from gateway import holding, log
from gateway.deciding import DecisionServices, delegation
from gateway.errors import GatewayError
from gateway.holding import HoldService
from gateway.incoming import check, rejudge, seal, settle
from gateway.incoming.services import IncomingServices
from gateway.stored_content import tell_readings
from gateway.workers.loop import Turn

if TYPE_CHECKING:
    from gateway.ports.axis import ManagedAxis
    from gateway.registry_authoring.axis_lists import SqlAxisLists

_log = logging.getLogger(__name__)
# How long an idempotency key is kept after its first use.
KEYS_KEPT = timedelta(days=7)
# How long an answer about a PDF's signer is kept that no verdict rests on, once there is a newer one.
ANSWERS_KEPT = timedelta(days=30)


class _Clock:
    """Base of a periodic worker: its step does something only when `every` has passed since the last time."""

    every: ClassVar[timedelta]

    def __init__(self) -> None:
        self._turn = Turn(self.every)

    def is_due(self, now: datetime) -> bool:
        return self._turn.has_come(now)


class Clocks(_Clock):
    every = timedelta(minutes=10)

    def __init__(self, folder: Path) -> None:
        """Take the node's folder, where the list of destroyed documents is."""
        super().__init__()
        self._folder = folder
        self._destroys = False

    def is_due(self, now: datetime) -> bool:
        return self._destroys or super().is_due(now)

    async def step(self, services: IncomingServices) -> bool:
        """End the overdue rows of all kinds, at start and then every ten minutes, and log how many. Acts of destruction go
        on in a step of their own for each few documents, until they are done."""
        now = services.clock.now()
        if not self._turn.take(now):
            return self._destroys and await self._destroy_some(services)
        counts = {
            "waited": await settle.give_up_overdue(services),
            "purged": await seal.purge_recalled(services),
            "forgotten": await services.store.purge_idempotency(now - KEYS_KEPT),
            "expired": await services.store.forget_uploads(now),
            "read": await tell_readings(services),
            "swept": await services.blobs.sweep(now),
        }
        if any(counts.values()):
            log.action(_log, "clocks.ran", "", **counts)
        self._destroys = bool(await services.store.destructions_due())
        return self._destroys

    async def _destroy_some(self, services: IncomingServices) -> bool:
        from gateway import destroying

        store, clock, pool = services.store, services.clock, services.pool
        self._destroys = await destroying.destroy_some(store, clock, pool, services.blobs, self._folder)
        return self._destroys


class SignaturesClock(_Clock):
    every = timedelta(seconds=15)

    def __init__(self) -> None:
        super().__init__()
        self._prune = Turn(timedelta(hours=1))

    async def step(self, services: IncomingServices) -> bool:
        """Judge one batch of PDF signatures again that are due. It has a loop of its own, because authorities that are
        asked may be slow."""
        now = services.clock.now()
        if not self._turn.take(now):
            return False
        if services.pdf_asking is not None and self._prune.take(now):
            await services.pdf_asking.answers.prune(now - ANSWERS_KEPT)
        return bool(await rejudge.ask_due(services))


class QuarantineClock(_Clock):
    every = timedelta(seconds=15)

    async def step(self, services: IncomingServices) -> bool:
        """End the oldest packets of unproved senders while these exceed their quota of bytes."""
        if not self._turn.take(services.clock.now()):
            return False
        return bool(await settle.keep_quota(services))


class AsideClock(_Clock):
    every = timedelta(minutes=1)

    async def step(self, services: IncomingServices, axis: ManagedAxis) -> bool:
        """Let mail of partners that was set aside come again as far as there is room for it."""
        if not self._turn.take(services.clock.now()):
            return False
        find_receiver = partial(check.receiving_agency, services)
        return bool(await services.partners.take_back(axis, find_receiver))


class GrowthClock(_Clock):
    every = timedelta(seconds=5)

    async def step(self, measure: Callable[[], Awaitable[Sequence[str]]], now: datetime) -> bool:
        """Let the server measure tables that have grown, and log their names."""
        if self._turn.take(now) and (grown := await measure()):
            log.action(_log, "tables.measured", "", tables=",".join(grown))
        return False


class FiguresClock(_Clock):
    # Within this time most documents have left and were answered: their events are counted together.
    every = timedelta(seconds=20)
    # Between batches other writers get their turn, as when an older node counts all its events.
    PAUSE_S = 0.05

    def __init__(self) -> None:
        super().__init__()
        self._has_news = True

    def hear(self) -> None:
        self._has_news = True

    def is_due(self, now: datetime) -> bool:
        return self._has_news and super().is_due(now)

    async def step(self, fold_next: Callable[[], Awaitable[int]], now: datetime) -> bool:
        """Count one batch of events; when none is left, rest until there is news."""
        if not self.is_due(now):
            return False
        self._has_news, is_more = False, True
        try:
            is_more = await fold_next() > 0
        finally:
            self._has_news |= is_more
        if is_more:
            await asyncio.sleep(self.PAUSE_S)
            return True
        self._turn.mark_done(now)
        return False


class ListsClock(_Clock):
    every = timedelta(minutes=1)

    async def step(self, services: DecisionServices) -> bool:
        """Judge new lists of certificates, and those whose waiting time is over, at start and then every minute."""
        if not self._turn.take(services.clock.now()):
            return False
        return bool(await delegation.judge_undecided(services))


@dataclass(frozen=True, slots=True, kw_only=True)
class ListSource:
    """Source of lists of agencies. `take` gets and takes one in the row of that id, and raises why it could not."""

    every: timedelta
    take: Callable[[str], Awaitable[None]]


class AxisListsClock(_Clock):
    every = timedelta(minutes=1)

    async def step(
        self,
        lists: SqlAxisLists,
        sources: Mapping[str, ListSource],
        tell_issuer: Callable[[], Awaitable[None]] | None,
        now: datetime,
    ) -> bool:
        """Take the lists of agencies that are due, and log their outcome; then send the receipt that is due, if any."""
        if not self._turn.take(now):
            return False
        for name, source in sources.items():
            if (id := await lists.claim(name, source.every)) is None:
                continue
            try:
                await source.take(id)
            except (GatewayError, OSError) as error:
                log.action(_log, "axis_list.failed", str(error), list=id)
                await lists.fail(id, str(error))
                continue
            received = await lists.get(id)
            counts = {"added": received.added, "waiting": received.waiting, "conflicts": received.conflicts}
            log.action(_log, "axis_list.taken", "", list=id, **counts)
        if tell_issuer is not None:
            await tell_issuer()
        return False


async def take_axis_list(
    lists: SqlAxisLists, read: Callable[[], Awaitable[tuple[bytes, int]]], id: str
) -> None:
    """Read the list of a foreign axis and take it into the registry."""
    content, left_out = await read()
    await lists.take(id, content, left_out)


class HoldsClock(_Clock):
    every = timedelta(minutes=1)

    async def step(self, services: HoldService) -> bool:
        """Settle the unsettled sealed holds, at start and then every minute."""
        if not self._turn.take(services.clock.now()):
            return False
        return bool(await holding.settle_all(services))
