"""Workers of the event log: number committed events and wake their readers; add numbered events to the sealed log, seal it,
have seals timestamped, and publish them. In: unnumbered events; the log, its key, perhaps a timestamp authority and a place
to publish. Out: events with numbers; seals. A timestamp authority that is down stops nothing: it is asked again later, and
one timestamp covers all earlier seals. Only if the administrator set a limit in hours, intake stops while the log has been
without a timestamp for longer; packets that were accepted before go on."""

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
from gateway.trust.seals import PUT_BACK, SealKey
from gateway.workers.loop import StepResult, Turn

_log = logging.getLogger(__name__)
# Most leaves of one batch, which holds the database's one writer for some hundredths of a second.
LEAVES_AT_ONCE = 200
# Pause between batches, so that other writers get their turn while an older node adds all its events to a new log.
PAUSE_S = 0.05
# How often the log is examined; seals are made once a minute.
LOOK_EVERY = timedelta(seconds=5)
REMEMBERED = timedelta(seconds=15)


class TimeAuthority(Protocol):
    """Timestamp authority. Its call blocks on the network, so make it in the pool."""

    def stamp(self, data: bytes) -> tuple[bytes, Stamp]:
        """Return a verified timestamp token over these bytes. Unreachable when the authority gives none, InvalidProof for a
        wrong one."""


# Most events of one transaction; more would make it long.
_NUMBERED_AT_ONCE = 500


async def number_paced(store: SqlStore) -> StepResult:
    """Assign numbers to one batch of events, then pause, so that the events of a moment share one transaction; one for each
    would be a third of all writing for a document. After a quiet time the first event is numbered at once. One process
    numbers at a time."""
    step_result = StepResult.batch(await store.number_events(_NUMBERED_AT_ONCE), _NUMBERED_AT_ONCE)
    if step_result:
        await asyncio.sleep(GATHER_S)
    return step_result


@dataclass(slots=True, kw_only=True)
class LogSealer:
    """Worker that adds events to the log, seals, stamps and publishes it. Several processes may run one at once."""

    log: SqlEventLog
    open_key: Callable[..., SealKey]
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
        """Add events to the log; when none is left, seal, stamp and publish the log as far as due. Return True when more
        events wait to be added."""
        now = self.clock.now()
        if not self._turn.has_come(now):
            return False
        if await self.log.grow(LEAVES_AT_ONCE) == LEAVES_AT_ONCE:
            return True
        head = await self.log.head()
        if upkeep.seal_is_due(head, self.rhythm, now):
            await self._seal(head, now)
            head = await self.log.head()
        if self.authority is not None and upkeep.stamp_is_due(head, self.rhythm, now):
            await self._stamp(head, self.authority, now)
            head = await self.log.head()
        if self.publish is not None and upkeep.publishing_is_due(head, self.rhythm, now):
            await self._publish(head, self.publish, now)
        # Set at the end, because a step that is not due succeeds, and would end the count of failures.
        self._turn.mark_done(now)
        return False

    async def _seal(self, head: LogHead, now: datetime) -> None:
        """Sign and store a seal over the present log. The signing is in no transaction; when two processes seal, the first
        stored seal counts."""
        last = head.seal.signed if head.seal is not None else None
        if self._key is None:
            self._key = await self.pool.run(partial(self.open_key, is_first=last is None))
        key = self._key
        if last is not None and last.key != key.public:
            raise Misconfigured(
                f"the key of the log on this disk is not the one that signed seal {last.seal.number}; nothing is sealed",
                code="GW-C-003",
                hint=PUT_BACK,
            )
        seal = Seal(
            log_id=head.log_id,
            number=last.seal.number + 1 if last else 1,
            tree_size=head.size,
            root=head.root,
            previous=last.digest if last else NO_SEAL,
            # The clock may have been set back, but the times of seals must not go back.
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
        await self.log.stamp(signed.seal, token, stamp.at, self.clock)
        log.action(_log, "log.stamped", seal=signed.seal.number, at=stamp.at.isoformat())

    async def _publish(
        self, head: LogHead, publish: Callable[[PublishedSeal], object], now: datetime
    ) -> None:
        if head.seal is None:
            return
        await self.pool.run(partial(publish, head.seal))
        await self.log.record_published(head.seal.signed.seal.number, now)


async def seal_paced(sealer: LogSealer) -> bool:
    """Run one step of the sealer, then pause when more events wait."""
    worked = await sealer.step()
    if worked:
        await asyncio.sleep(PAUSE_S)
    return worked


@dataclass(slots=True, kw_only=True)
class StampGate:
    """Gate that closes intake while the log has had no timestamp for longer than `most`. It is checked before each document
    and batch, and reads the log at most every fifteen seconds."""

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
        """Tell whether the log lacks a timestamp for too long; log when that changes."""
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
