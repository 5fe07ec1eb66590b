"""Numbers committed events and wakes their readers; seals the log off the hot path: adds numbered events as leaves, seals
them, asks for a timestamp, publishes. In: unnumbered events; the log, its key, perhaps a timestamp authority and a place to
publish. Out: dense numbers in batches; seals. An authority that is down holds nothing up: it is asked again later, and one
stamp covers all seals before it. Only where the administrator set a limit in hours, intake is held back while the log has
gone without a timestamp for longer; packets that are already here go on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from gateway import log
from gateway.domain.pace import LONGEST_DELAY
from gateway.domain.sealed_log import NO_SEAL, LogHead, PublishedSeal, Seal, Stamp
from gateway.errors import GatewayError, InvalidProof, Misconfigured, StoreFailure
from gateway.policy import upkeep
from gateway.ports.services import Clock, Pool
from gateway.store.events import GATHER_S
from gateway.store.log import SqlEventLog
from gateway.store.store import SqlStore
from gateway.trust.seals import SealKey
from gateway.workers.loop import StepResult, Turn


class TimeAuthority(Protocol):
    """Vouches for a time. Sync, and asks over the network: call it in the pool."""

    def stamp(self, data: bytes) -> tuple[bytes, Stamp]:
        """Return a checked token over these bytes. Unreachable when there is none now, InvalidProof for a wrong one."""


# More events at once would make one long transaction.
_NUMBERED_AT_ONCE = 500


async def number_paced(store: SqlStore) -> StepResult:
    """Assign numbers to one batch, then pause, so that the events of a moment share one transaction: one for each event
    would be a third of all the writing that a document causes. The first event after a quiet time is numbered at once. Only
    one process at a time numbers."""
    step_result = StepResult.batch(await store.number_events(_NUMBERED_AT_ONCE), _NUMBERED_AT_ONCE)
    if step_result:
        await asyncio.sleep(GATHER_S)
    return step_result


_log = logging.getLogger(__name__)
# Each batch holds the database's one writer for some hundredths of a second.
LEAVES_AT_ONCE = 200
# Other writers need their turn while an older node adds its events to a new log.
PAUSE_S = 0.05
# Seals come once a minute: no need to look at every turn of the loop.
LOOK_EVERY = timedelta(seconds=5)


@dataclass(slots=True, kw_only=True)
class LogSealer:
    """One per process; several may run at once."""

    log: SqlEventLog
    open_key: Callable[[], SealKey]
    clock: Clock
    pool: Pool
    rhythm: upkeep.Rhythm
    authority: TimeAuthority | None = None
    publish: Callable[[PublishedSeal], object] | None = None
    _key: SealKey | None = None
    _turn: Turn = field(default_factory=lambda: Turn(LOOK_EVERY))
    _stamp_after: datetime | None = None
    _stamp_tries: int = field(default=0)

    def is_due(self, now: datetime) -> bool:
        return self._turn.has_come(now)

    async def step(self) -> bool:
        """Add, seal, stamp and publish what is due; return True when more events wait to be added."""
        now = self.clock.now()
        if not self._turn.has_come(now):
            return False
        if await self.log.grow(LEAVES_AT_ONCE) == LEAVES_AT_ONCE:
            return True
        self._turn.mark_done(now)
        head = await self.log.head()
        if upkeep.seal_is_due(head, self.rhythm, now):
            await self._seal(head, now)
            head = await self.log.head()
        if self.authority is not None and upkeep.stamp_is_due(head, self.rhythm, now):
            await self._stamp(head, self.authority, now)
            head = await self.log.head()
        if self.publish is not None and upkeep.publishing_is_due(head, self.rhythm, now):
            await self._publish(head, self.publish, now)
        return False

    async def _seal(self, head: LogHead, now: datetime) -> None:
        """Sign a seal outside any transaction. Where two processes seal, the first is kept and the other's is dropped."""
        if self._key is None:
            self._key = await self.pool.run(self.open_key)
        key = self._key
        last = head.seal.signed if head.seal is not None else None
        if last is not None and last.key != key.public:
            raise Misconfigured(
                f"the key of the log on this disk is not the one that signed seal {last.seal.number}; nothing is sealed",
                code="GW-C-003",
                hint="put the key back that the log was sealed with: it lies in the folder of the exchange keys, "
                "below _log, and in every backup",
            )
        seal = Seal(
            log_id=head.log_id,
            number=last.seal.number + 1 if last else 1,
            tree_size=head.size,
            root=head.root,
            previous=last.digest if last else NO_SEAL,
            # The clock may have been put back; seals never go back.
            at=max(now.replace(microsecond=0), last.seal.at if last else now.replace(microsecond=0)),
        )
        if await self.log.keep(await self.pool.run(partial(key.sign, seal))):
            log.action(_log, "log.sealed", seal=seal.number, size=seal.tree_size)

    async def _stamp(self, head: LogHead, authority: TimeAuthority, now: datetime) -> None:
        waits = self._stamp_after is not None and now < self._stamp_after <= now + LONGEST_DELAY
        if head.seal is None or waits:
            return
        signed = head.seal.signed
        try:
            token, stamp = await self.pool.run(partial(authority.stamp, signed.to_bytes()))
        except GatewayError as error:
            self._stamp_tries += 1
            self._stamp_after = now + upkeep.retry_delay(self._stamp_tries)
            kind = "log.stamp_refused" if isinstance(error, InvalidProof) else "log.stamp_failed"
            log.action(_log, kind, str(error), code=error.code, seal=signed.seal.number)
            return
        self._stamp_tries, self._stamp_after = 0, None
        await self.log.stamp(signed.seal.number, token, stamp.at)
        log.action(_log, "log.stamped", seal=signed.seal.number, at=stamp.at.isoformat())

    async def _publish(
        self, head: LogHead, publish: Callable[[PublishedSeal], object], now: datetime
    ) -> None:
        if head.seal is None:
            return
        await self.pool.run(partial(publish, head.seal))
        await self.log.record_published(head.seal.signed.seal.number, now)


async def seal_paced(sealer: LogSealer) -> bool:
    """Do one step, then pause where more events wait."""
    worked = await sealer.step()
    if worked:
        await asyncio.sleep(PAUSE_S)
    return worked


REMEMBERED = timedelta(seconds=15)


@dataclass(slots=True, kw_only=True)
class StampGate:
    """Asked before each document and each batch; looks at the log at most every fifteen seconds."""

    log: SqlEventLog
    clock: Clock
    most: timedelta
    _closed: bool = False
    _remembered_until: datetime | None = None

    async def check(self) -> None:
        if await self.is_closed():
            raise StoreFailure(
                f"the event log has had no timestamp for more than {self.most.total_seconds() / 3600:g} hours "
                "(log.require_timestamp_h); nothing is taken in until the timestamp authority answers",
                code="GW-S-508",
            )

    async def is_closed(self) -> bool:
        if not self.most:
            return False
        now = self.clock.now()
        if (
            self._remembered_until is None
            or not self._remembered_until - REMEMBERED <= now < self._remembered_until
        ):
            closed = upkeep.lacks_stamp(await self.log.head(), self.most, now)
            if closed != self._closed:
                log.action(
                    _log, "intake.stopped" if closed else "intake.resumed", "the log and its timestamps"
                )
            self._closed, self._remembered_until = closed, now + REMEMBERED
        return self._closed
