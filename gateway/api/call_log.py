"""Keeps what each key called, off the path of the calls. In: calls, one by one, as they are answered. Out: rows, many at a
time, every few seconds and once more when the process drains. What cannot be written is let go and said in the log: no
call waits or fails for its note."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import datetime, timedelta

from aiohttp import web

from gateway import log
from gateway.domain.api_call import MOST_OF_A_KEY, ApiCall
from gateway.errors import GatewayError
from gateway.ports.calls import ApiCalls
from gateway.ports.services import Clock

_LOG = logging.getLogger(__name__)
EVERY_S = 5.0
MOST_WAITING = 5_000
_BATCH = 500
_TRIMMED = timedelta(minutes=10)


class CallLog:
    """One for a process; `running` is for its application. Noting a call returns at once and never fails."""

    def __init__(self, calls: ApiCalls, clock: Clock, kept: timedelta, every_s: float = EVERY_S) -> None:
        self._calls, self._clock, self._kept, self._every_s = calls, clock, kept, every_s
        self._waiting: deque[ApiCall] = deque()
        self._lost = 0
        self._seen: set[str] = set()
        self._trimmed_at: datetime | None = None
        self._over = asyncio.Event()

    def note(self, call: ApiCall) -> None:
        """Where more wait than are held, the newest is let go and counted."""
        if len(self._waiting) >= MOST_WAITING:
            self._lost += 1
            return
        self._waiting.append(call)

    async def running(self, app: web.Application) -> AsyncIterator[None]:
        """Writes while the application runs, and what is left when it ends."""
        task = asyncio.create_task(self._run(), name="call-log")
        yield
        self._over.set()
        await task
        await self.flush()

    async def flush(self) -> None:
        """Everything that waits is written, or let go."""
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
            try:
                await self._calls.keep(batch)
            except GatewayError as why:
                self._lost += len(batch)
                log.action(_LOG, "api.calls.lost", why.detail, count=len(batch))
            self._seen.update(each.key_id for each in batch)
        if self._lost:
            log.action(_LOG, "api.calls.lost", "calls were not noted", count=self._lost)
            self._lost = 0

    async def _run(self) -> None:
        while not self._over.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), self._every_s)
            await self.flush()
            await self._trim()

    async def _trim(self) -> None:
        now = self._clock.now()
        if self._trimmed_at is not None and now - self._trimmed_at < _TRIMMED:
            return
        self._trimmed_at, seen, self._seen = now, self._seen, set()
        try:
            await self._calls.trim(seen, now - self._kept, MOST_OF_A_KEY)
        except GatewayError as why:
            log.action(_LOG, "api.calls.lost", why.detail, count=0)
