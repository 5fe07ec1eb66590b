"""Holds intake back while the log has gone without a timestamp for longer than the node's administrator allows. In: the
log, a limit in hours (0: none). Out: StoreFailure for whoever would take something in. What is here already goes on."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway import log
from gateway.errors import StoreFailure
from gateway.policy import sealing
from gateway.ports import Clock
from gateway.ports.log import EventLog

_log = logging.getLogger(__name__)
REMEMBERED = timedelta(seconds=15)


@dataclass(slots=True, kw_only=True)
class StampGate:
    """Asked before each document and each batch; looks at the log at most every fifteen seconds."""

    log: EventLog
    clock: Clock
    most: timedelta
    _closed: bool = False
    _until: datetime | None = None

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
        if self._until is None or not self._until - REMEMBERED <= now < self._until:
            closed = sealing.lacks_stamp(await self.log.head(), self.most, now)
            if closed != self._closed:
                log.action(
                    _log, "intake.stopped" if closed else "intake.resumed", "the log and its timestamps"
                )
            self._closed, self._until = closed, now + REMEMBERED
        return self._closed
