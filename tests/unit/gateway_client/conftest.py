"""A real node behind a real server, a line to it that breaks where a test wants, and another side that answers what it is
told to. The client blocks, so a test calls it in a thread beside the node's loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway_client import Client, Patience
from tests.support import api
from tests.support.hooks import near
from tests.support.tcp_proxy import TcpProxy

T = TypeVar("T")


async def in_thread(act: Callable[[], T]) -> T:
    """Run the client's blocking call in a thread, as a program without an event loop would."""
    return await asyncio.to_thread(act)


@dataclass
class Waits:
    """Pauses that the client asked for, without waiting; `then` is called in each."""

    pauses: list[float] = field(default_factory=list)
    then: Callable[[], object] = lambda: None

    def patience(self, tries: int = 10) -> Patience:
        return Patience(tries=tries, first_s=0.001, most_s=0.01, sleep=self.wait)

    def wait(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.then()


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
async def door(blank_node: Path, tmp_path: Path) -> AsyncIterator[api.Door]:
    async with api.opened(blank_node, tmp_path / "node", change=near) as opened:
        yield opened


@pytest.fixture
async def line(door: api.Door) -> AsyncIterator[TcpProxy]:
    """Between the client and the node."""
    async with TcpProxy(door.client.server.host, door.client.server.port or 0) as proxy:
        yield proxy


def client_over(line: TcpProxy, key: str, patience: Patience | None = None) -> Client:
    """A client over that line, to which files above a MiB are large."""
    url = f"http://{line.host}:{line.port}"
    return Client(url, key, language="en", patience=patience, large=1 << 20, part_size=1 << 20)


Clients = Callable[[str], AbstractAsyncContextManager[Client]]


@pytest.fixture
def client_of(door: api.Door, line: TcpProxy, waits: Waits) -> Clients:
    """The client of an agency, over that line, which is mended while it waits; files above a MiB are large to it."""
    waits.then = line.heal

    @asynccontextmanager
    async def connect(code: str) -> AsyncIterator[Client]:
        with client_over(line, await door.key(code), waits.patience()) as client:
            yield client

    return connect


@dataclass
class Scripted:
    """Answers each request with the next of `script`, the last one again and again, and keeps the requests."""

    url: str = ""
    script: list[Callable[[web.Request], web.StreamResponse]] = field(default_factory=list)
    requests: list[web.Request] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.StreamResponse:
        await request.read()
        self.requests.append(request)
        return self.script[min(len(self.requests), len(self.script)) - 1](request)


@pytest.fixture
async def scripted() -> AsyncIterator[Scripted]:
    server_script, app = Scripted(), web.Application()
    app.router.add_route("*", "/{tail:.*}", server_script.take)
    server = TestServer(app, host="127.0.0.1")
    await server.start_server()
    server_script.url = str(server.make_url("")).rstrip("/")
    yield server_script
    await server.close()
