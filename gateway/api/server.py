"""What stands around the application of the API: its connections, the log of its calls, and the door for monitoring.
In: how many connections there may be; calls as they end; an open node's condition. Out: sites that listen, rows of
calls, a small application.

Connections are bounded: where all are taken, the one that has waited longest without a call under way gives way to
the new one, so whoever opens many and says little loses his own (threats.md 86); what is not HTTP is a problem like
any other. What each key called is noted off the path of the calls: rows, many at a time, every few seconds and
once more when the process drains; no call waits or fails for its note. The door for monitoring has `/metrics`,
`/healthz` and `/readyz`, without a key and on an address of its own, also for a process that only works."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from gateway import chance, log
from gateway.api import problems
from gateway.api.words import language
from gateway.domain.account import MOST_CALLS_OF_A_KEY, ApiCall
from gateway.domain.diagnosis import Diagnosis, check_words, condition
from gateway.errors import GatewayError
from gateway.ports.services import Clock, HealthProbe
from gateway.store.api_calls import SqlApiCalls

HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
        "Cache-Control": "no-store",
    }
)


class Connections:
    """How many there may be, and which of them have a call under way."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._busy: set[asyncio.BaseProtocol] = set()

    @contextmanager
    def busy(self, connection: asyncio.BaseProtocol) -> Iterator[None]:
        """A call of this connection is under way while the body runs."""
        self._busy.add(connection)
        try:
            yield
        finally:
            self._busy.discard(connection)

    def make_room(self, server: web.Server) -> bool:
        """Whether one more may come; the oldest that is not busy goes for it."""
        present = [each for each in server.connections if each.transport is not None]
        if len(present) < self._most:
            return True
        idle = next((each for each in present if each not in self._busy), None)
        if idle is not None:
            idle.force_close()
        return idle is not None


CONNECTIONS = web.AppKey("connections", Connections)
LONGEST_HEADER = web.AppKey("longest_header", int)
"""Bytes, where a door takes longer ones than HTTP servers are wont to."""


class Conversation(web.RequestHandler):
    """One connection. What cannot be read as HTTP, or has a longer address or header than we read, is told so."""

    def data_received(self, data: bytes) -> None:
        """Also while the server goes: what comes then of a call that is under way, the library would let fall, and the call
        would wait for it until its time is over."""
        closes, at_once = self._close, self._force_close
        if self._request_in_progress:
            self._close = self._force_close = False
        super().data_received(data)
        self._close, self._force_close = self._close or closes, self._force_close or at_once

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if not isinstance(exc, HttpProcessingError):
            # It writes the log, and raises where an answer has begun already.
            super().handle_error(request, status, exc, message)
            response = web.Response(status=status)
        else:
            # None of its bytes may reach the log: a key may be among them, and nobody fills it by knocking with rubbish.
            id = f"req_{chance.sixteen().hex()}"
            told = {"action": "api.not_http", "error": type(exc).__name__, "request_id": id}
            _LOG.info("a request was not HTTP", extra=told)
            problem = problems.of_http(web.HTTPBadRequest(), language(""))
            response = problems.answer(problem, id, "", language(""))
            response.headers["X-Request-Id"] = id
        response.headers.update({**HEADERS, "Server": "gateway"})
        response.force_close()
        return response


class Full(asyncio.Protocol):
    """What there is no room for: an answer that is already made, and the end."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a stream's protocol gets a stream's transport
        transport.write(
            b"HTTP/1.1 503 Service Unavailable\r\nServer: gateway\r\nRetry-After: 5\r\nContent-Length: 0\r\n"
            b"Connection: close\r\n\r\n"
        )
        transport.close()


class Site(web.BaseSite):
    """An address that a bounded number of connections may use at a time."""

    def __init__(
        self, runner: web.AppRunner, host: str, port: int, connections: Connections, **more: Any
    ) -> None:
        super().__init__(runner)
        self._host, self._port, self._connections, self._more = host, port, connections, more

    @property
    def name(self) -> str:
        return f"http://{self._host}:{self._port}"

    async def start(self) -> None:
        await super().start()
        loop, server = asyncio.get_running_loop(), self._runner.server
        assert isinstance(server, web.Server)  # noqa: S101 - the runner is set up, or its start would have raised

        def connection() -> asyncio.Protocol:
            if not self._connections.make_room(server):
                return Full()
            return Conversation(server, loop=loop, **self._more)

        self._server = await loop.create_server(connection, self._host, self._port, backlog=self._backlog)


_LOG = logging.getLogger(__name__)
EVERY_S = 5.0
MOST_WAITING = 5_000
_NOTES_AT_ONCE = 500
_TRIMMED = timedelta(minutes=10)


class CallLog:
    """One for a process; `running` is for its application. Noting a call returns at once and never fails."""

    def __init__(self, calls: SqlApiCalls, clock: Clock, kept: timedelta, every_s: float = EVERY_S) -> None:
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

    async def listed(self, key_id: str, limit: int, *, errors: bool, before: str) -> Sequence[ApiCall]:
        """Newest first, with those that this process has not written yet."""
        await self.flush()
        return await self._calls.listed(key_id, limit, errors=errors, before=before)

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
            batch = [self._waiting.popleft() for _ in range(min(_NOTES_AT_ONCE, len(self._waiting)))]
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
            await self._calls.trim(seen, now - self._kept, MOST_CALLS_OF_A_KEY)
        except GatewayError as why:
            log.action(_LOG, "api.calls.lost", why.detail, count=0)


def monitoring(
    scrape: Callable[[], Awaitable[bytes]], content_type: str, health: HealthProbe
) -> web.Application:
    """`scrape` gives the whole text of the metrics, in the format that `content_type` names."""

    async def metrics(request: web.Request) -> web.Response:
        return web.Response(body=await scrape(), headers={"Content-Type": content_type})

    async def alive(request: web.Request) -> web.Response:
        return _health(await health.alive())

    async def ready(request: web.Request) -> web.Response:
        return _health(await health.ready())

    app = web.Application()
    app.on_response_prepare.append(_plain_headers)
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/healthz", alive)
    app.router.add_get("/readyz", ready)
    return app


async def _plain_headers(request: web.Request, response: web.StreamResponse) -> None:
    """What every answer says; nothing here is a page, or worth keeping."""
    response.headers.update(
        {"Server": "gateway", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
    )


def _health(findings: Collection[Diagnosis]) -> web.Response:
    status = condition(findings)
    told = {"status": status, "checks": check_words(findings)}
    if status == "not-well":
        return web.json_response(told, status=503, headers={"Retry-After": "5"})
    return web.json_response(told)
