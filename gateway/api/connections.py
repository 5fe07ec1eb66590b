"""Bounds the connections of a server, and answers what is not HTTP without a word too many. In: aiohttp's server. Out: one
protocol for each connection. Where all are taken, the connection that has waited longest without a call under way gives
way to the new one: whoever opens many and says little loses his own (threats.md 86)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from aiohttp import web

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


class Conversation(web.RequestHandler):
    """One connection. What cannot be read as HTTP is told so by its status alone."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        # It writes the log, and raises where an answer has begun already.
        super().handle_error(request, status, exc, message)
        response = web.Response(status=status, headers={**HEADERS, "Server": "gateway"})
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
