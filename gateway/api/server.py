"""Server parts around the API application: connections, the call log, and the monitoring server. In: the limit of
connections; finished calls; an open node's health. Out: listening sites, rows of calls, a small application. Connections
are bounded: when all are used, the longest idle one makes way for a new one, so a client that opens many and says little
loses its own (threats.md 86); input that is not HTTP is a problem like any other. Calls of each key are logged beside the
calls themselves: in batches, every few seconds and at shutdown; no call waits or fails for its log row. The monitoring
server has `/metrics`, `/healthz` and `/readyz`, without a key and on an address of its own, also for a worker process."""

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

from gateway import log, random_source
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
    """The limit of connections, and the set of those with a running call."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._busy: set[asyncio.BaseProtocol] = set()

    @contextmanager
    def busy(self, connection: asyncio.BaseProtocol) -> Iterator[None]:
        """Mark the connection as busy while the body runs."""
        self._busy.add(connection)
        try:
            yield
        finally:
            self._busy.discard(connection)

    def make_room(self, server: web.Server) -> bool:
        """Tell whether one more may come; the oldest idle one is closed for it."""
        present = [c for c in server.connections if c.transport is not None]
        if len(present) < self._most:
            return True
        idle = next((c for c in present if c not in self._busy), None)
        if idle is not None:
            idle.force_close()
        return idle is not None


CONNECTIONS = web.AppKey("connections", Connections)
LONGEST_HEADER = web.AppKey("longest_header", int)
"""Bytes, for applications that accept longer headers than usual."""
ACCEPTS_CONTROL = web.AppKey("accepts_control", bool)
"""For applications whose callers send control characters in headers, which are not HTTP."""
_END_OF_HEAD = b"\r\n\r\n"
_CONTROL_AS_LETTERS = bytes(n | 0x80 if n < 0x20 and n not in b"\0\t\n\r" else n for n in range(256))


class Conversation(web.RequestHandler):
    """One connection. Input that is not HTTP, or has too long an address or header, is answered as a problem.
    `accepts_control`: control characters in a head are read as bytes of letters, so that the application can refuse it."""

    # Any: the options of the library.
    def __init__(self, *server: Any, accepts_control: bool = False, **more: Any) -> None:
        super().__init__(*server, **more)
        self._accepts_control = accepts_control
        self._expects_head = True

    # Any: the types of the library's own method, which it does not publish.
    async def _handle_request(self, *request: Any) -> Any:
        try:
            return await super()._handle_request(*request)
        finally:
            self._expects_head = not self._messages

    def data_received(self, data: bytes) -> None:
        """Accept data also while the server closes: the library would drop data of a running call, which would wait for it
        until its timeout."""
        if self._accepts_control and self._expects_head:
            head, end, body = data.partition(_END_OF_HEAD)
            data = head.translate(_CONTROL_AS_LETTERS) + end + body
        was_closing, was_forced = self._close, self._force_close
        if self._request_in_progress:
            self._close = self._force_close = False
        super().data_received(data)
        self._expects_head = self._expects_head and not self._messages
        self._close, self._force_close = self._close or was_closing, self._force_close or was_forced

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if not isinstance(exc, HttpProcessingError):
            # This logs the error, and raises where an answer has begun already.
            super().handle_error(request, status, exc, message)
            response = web.Response(status=status)
        else:
            # The log gets none of its bytes: a key may be among them, and rubbish must not fill the log.
            id = f"req_{random_source.random_16().hex()}"
            extra = {"action": "api.not_http", "error": type(exc).__name__, "request_id": id}
            _LOG.info("a request was not HTTP", extra=extra)
            problem = problems.of_http(web.HTTPBadRequest(), language(""))
            response = problems.answer(problem, id, "", language(""))
            response.headers["X-Request-Id"] = id
        response.headers.update({**HEADERS, "Server": "gateway"})
        response.force_close()
        return response


class Full(asyncio.Protocol):
    """Protocol of a connection over the limit: a prepared answer, and the end."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a stream's protocol gets a stream's transport
        transport.write(
            b"HTTP/1.1 503 Service Unavailable\r\nServer: gateway\r\nRetry-After: 5\r\nContent-Length: 0\r\n"
            b"Connection: close\r\n\r\n"
        )
        transport.close()


class Site(web.BaseSite):
    """An address with a bounded number of connections at a time."""

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
    """Log of calls, one per process; `run` is for its application. Noting a call returns at once and never fails."""

    def __init__(
        self, calls: SqlApiCalls, clock: Clock, retention: timedelta, every_s: float = EVERY_S
    ) -> None:
        self._calls, self._clock, self._kept, self._every_s = calls, clock, retention, every_s
        self._waiting: deque[ApiCall] = deque()
        self._lost = 0
        self._key_ids: set[str] = set()
        self._trimmed_at: datetime | None = None
        self._stopping = asyncio.Event()

    def note(self, call: ApiCall) -> None:
        """Queue a call; in a full queue the newest is dropped and counted."""
        if len(self._waiting) >= MOST_WAITING:
            self._lost += 1
            return
        self._waiting.append(call)

    async def list_calls(self, key_id: str, limit: int, *, errors: bool, before_id: str) -> Sequence[ApiCall]:
        """List calls, newest first, with those that this process has not written yet."""
        await self.flush()
        return await self._calls.list_calls(key_id, limit, errors=errors, before_id=before_id)

    async def run(self, app: web.Application) -> AsyncIterator[None]:
        """Write calls while the application runs, and the last ones when it ends."""
        task = asyncio.create_task(self._run(), name="call-log")
        yield
        self._stopping.set()
        await task
        await self.flush()

    async def flush(self) -> None:
        """Write everything that waits, or drop it on failure, which is said once for all of it."""
        words, fault = "calls were not noted", dict[str, str]()
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(_NOTES_AT_ONCE, len(self._waiting)))]
            try:
                await self._calls.keep(batch)
            except GatewayError as error:
                self._lost += len(batch)
                words, fault = error.detail, {"code": error.code}
            self._key_ids.update(c.key_id for c in batch)
        if self._lost:
            log.action(_LOG, "api.calls.lost", words, count=self._lost, **fault)
            self._lost = 0

    async def _run(self) -> None:
        while not self._stopping.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self._every_s)
            await self.flush()
            await self._trim()

    async def _trim(self) -> None:
        now = self._clock.now()
        if self._trimmed_at is not None and now - self._trimmed_at < _TRIMMED:
            return
        self._trimmed_at, key_ids, self._key_ids = now, self._key_ids, set()
        try:
            await self._calls.trim(key_ids, now - self._kept, MOST_CALLS_OF_A_KEY)
        except GatewayError as error:
            log.action(_LOG, "api.calls.lost", error.detail, count=0, code=error.code)


def monitoring(
    scrape: Callable[[], Awaitable[bytes]], content_type: str, health: HealthProbe
) -> web.Application:
    """Build the monitoring application; `scrape` returns the text of the metrics in the format of `content_type`."""

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
    """Add headers to every answer; nothing here is a page, or worth caching."""
    response.headers.update(
        {"Server": "gateway", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
    )


def _health(findings: Collection[Diagnosis]) -> web.Response:
    status = condition(findings)
    health_json = {"status": status, "checks": check_words(findings)}
    if status == "not-well":
        return web.json_response(health_json, status=503, headers={"Retry-After": "5"})
    return web.json_response(health_json)
