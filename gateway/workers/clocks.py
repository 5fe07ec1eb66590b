"""What only time brings: packets that waited too long, blobs nobody refers to, recalled files past their days,
idempotency keys and uploads past theirs; every few seconds a look whether packets of nobody's fill the quarantine, and
another whether tables of a server have grown; and
sealed holds to their end where nobody waits for it, after a crash or once the head's key is set. In: the clock. Out:
the same rows a person would have ended. A hold is frozen, and so unreadable, whether or not its loop turns."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import ClassVar

from gateway import holding, log
from gateway.holding import HoldServices
from gateway.incoming import judge_again, seal, settle
from gateway.incoming.services import IncomingServices
from gateway.workers.loop import Turn

_log = logging.getLogger(__name__)
# How long an idempotency key answers (interfaces.md 3.3).
KEYS_KEPT = timedelta(days=7)


class _Clock:
    """Remembers when it last looked, so that an idle loop does not look at every turn."""

    every: ClassVar[timedelta]

    def __init__(self) -> None:
        self._turn = Turn(self.every)

    def is_due(self, now: datetime) -> bool:
        return self._turn.has_come(now)


class Clocks(_Clock):
    every = timedelta(minutes=10)

    async def step(self, services: IncomingServices) -> bool:
        """Looks once every ten minutes; the first look is at start."""
        now = services.clock.now()
        if not self._turn.take(now):
            return False
        done = {
            "waited": await settle.give_up_overdue(services),
            "purged": await seal.purge_recalled(services),
            "asked": await judge_again.ask_due(services),
            "forgotten": await services.store.purge_idempotency(now - KEYS_KEPT),
            "expired": await services.store.forget_uploads(now),
            "swept": await services.blobs.sweep(now),
        }
        if any(done.values()):
            log.action(_log, "clocks.ran", "", **done)
        return False


class QuarantineClock(_Clock):
    every = timedelta(seconds=15)

    async def step(self, services: IncomingServices) -> bool:
        if not self._turn.take(services.clock.now()):
            return False
        return bool(await settle.keep_quota(services))


class GrowthClock(_Clock):
    every = timedelta(seconds=5)

    async def step(self, measure: Callable[[], Awaitable[Sequence[str]]], now: datetime) -> bool:
        """`measure`: the tables that have grown, and what it measured."""
        if self._turn.take(now) and (grown := await measure()):
            log.action(_log, "tables.measured", "", tables=",".join(grown))
        return False


class HoldsClock(_Clock):
    every = timedelta(minutes=1)

    async def step(self, services: HoldServices) -> bool:
        """Looks once a minute; the first look is at start."""
        if not self._turn.take(services.clock.now()):
            return False
        return bool(await holding.settle_all(services))
