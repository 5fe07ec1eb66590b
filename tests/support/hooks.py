"""A program of an agency receives webhooks: a real server that behaves as a test wants, and judges its calls by the public
text of Standard Webhooks alone. `Hooked` steps the node's worker on the test's clock."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.domain.account import AgencyScope
from gateway.domain.event import EventKind
from gateway.domain.webhook import Endpoint, WebhookDelivery
from gateway.settings import Settings
from gateway.webhooks import NewWebhook
from gateway.workers.webhooks import Pusher, Spawn
from tests.support.node import DEPARTMENT, Town

Behaviour = Callable[[web.Request], Awaitable[web.StreamResponse]]


def near(settings: Settings, *, timeout_s: int = 30) -> Settings:
    """Change settings so that the node may call programs on this machine, without TLS."""
    return replace(
        settings,
        webhooks=replace(settings.webhooks, networks="127.0.0.0/8", plain_http="yes", timeout_s=timeout_s),
    )


def is_signed(secret: str, headers: Any, body: bytes) -> bool:
    """Tell whether one of the signatures fits id, time and body, as specified. Any: a mapping of headers."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = b".".join([headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body])
    expected = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    versions = [part.split(",", 1) for part in headers["webhook-signature"].split(" ")]
    return any(version == "v1" and hmac.compare_digest(expected, text) for version, text in versions)


async def fine(_: web.Request) -> web.StreamResponse:
    return web.Response(status=204)


def answers(status: int, **more: Any) -> Behaviour:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, **more)

    return answer


@dataclass(kw_only=True)
class Receiver:
    """Server that keeps its requests in order; `behave` answers each."""

    url: str = ""
    behave: Behaviour = fine
    bodies: list[dict[str, Any]] = field(default_factory=list)
    raw: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    seen_sequences: set[int] = field(default_factory=set)
    _arrival: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def sequences(self) -> list[int]:
        return [body["sequence"] for body in self.bodies]

    async def wait_for(self, count: int) -> None:
        """Wait until so many calls have arrived."""
        while len(self.bodies) < count:
            self._arrival.clear()
            await self._arrival.wait()

    async def until_all(self, count: int) -> None:
        """Wait until so many different events have arrived."""
        while len(self.seen_sequences) < count:
            await self.wait_for(len(self.bodies) + 1)

    async def take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.raw.append((dict(request.headers), body))
        self.bodies.append(json.loads(body))
        self.seen_sequences.add(self.bodies[-1].get("sequence", 0))
        self._arrival.set()
        return await self.behave(request)

    def all_signed(self, secret: str) -> bool:
        return all(is_signed(secret, headers, body) for headers, body in self.raw)


@asynccontextmanager
async def receiving(behave: Behaviour = fine, tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    receiver = Receiver(behave=behave)
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", receiver.take)
    server = TestServer(app, host="127.0.0.1", scheme="https" if tls else "http")
    await server.start_server(ssl=tls)
    try:
        receiver.url = str(server.make_url("/events"))
        yield receiver
    finally:
        await server.close()


@dataclass(kw_only=True)
class Hooked:
    """A node whose worker the test steps."""

    town: Town
    chance: float = 0.0

    async def scope(self) -> AgencyScope:
        return await self.town.scope(DEPARTMENT)

    async def add(self, url: str, *types: str, **more: Any) -> tuple[str, Endpoint]:
        return await self.town.node.webhooks.add(await self.scope(), NewWebhook(url=url, types=types, **more))

    async def endpoint(self, id: str) -> Endpoint:
        return await self.town.node.webhooks.get((await self.scope()).agency_id, id)

    async def log(self, id: str) -> list[WebhookDelivery]:
        """Return the webhook's deliveries, the oldest event first."""
        attempts, _ = await self.town.node.webhooks.log((await self.scope()).agency_id, id, 500)
        return list(reversed(attempts))

    async def happen(self, count: int = 1) -> None:
        """Make events that every key with `messages:read` may read."""
        scope, clock = await self.scope(), self.town.clock
        for n in range(count):
            async with self.town.node.store.changing(scope) as work:
                await work.events.append(EventKind.DELIVERY_RETRY, f"trial-{n}", clock.now(), {"n": n})
        await self.town.number()

    def pusher(self, spawn: Spawn, on_retry: Callable[[], None] = lambda: None) -> Pusher:
        node, clock = self.town.node, self.town.clock
        return Pusher(
            store=node.store,
            rows=node.webhooks.rows,
            sender=node.webhooks.sender,
            clock=clock,
            aging=clock,
            spawn=spawn,
            stop=asyncio.Event(),
            wake=on_retry,
            announce=lambda: None,
            at_once=8,
            lease_s=60.0,
            retention=timedelta(days=30),
            chance=lambda: self.chance,
        )

    async def push(self, delay: timedelta = timedelta()) -> None:
        """Move time on by `delay`, and push everything that is due until nothing is any more."""
        if delay:
            self.town.clock.advance(delay.total_seconds())
        while True:
            async with asyncio.TaskGroup() as tasks:
                began: list[asyncio.Task[None]] = []

                def spawn(work: Any, began: list[asyncio.Task[None]] = began, tasks: Any = tasks) -> Any:
                    began.append(tasks.create_task(work))
                    return began[-1]

                await self.pusher(spawn).step()
            if not began:
                return
