"""Keeps one connection to the broker while it is wanted. In: an `Access`. Out: channels, and how the line is. A line that
breaks is opened again, at whichever server of the cluster answers, for as long as the node runs. It never replays
anything: what was under way fails, and its owner tries again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import re
from collections.abc import Awaitable
from datetime import datetime
from typing import Any, TypeVar

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential
from yarl import URL

from gateway.errors import Unreachable
from gateway.log import action
from gateway.ports import Clock
from gateway.transport.amqp import decoding
from gateway.transport.amqp.access import Access, Server
from gateway.transport.amqp.failures import BROKEN, said

LOOK_S = 0.1  # how late an alarm of the broker is noticed
CLOSE_S = 3.0  # a line that is dead cannot say goodbye
LONGEST_PAUSE_S = 15.0

T = TypeVar("T")
_log = logging.getLogger(__name__)


class Link:
    """One line to the broker, named so that its administrator sees what it is for."""

    def __init__(self, access: Access, name: str, clock: Clock) -> None:
        self._access, self._name, self._clock = access, name, clock
        self._connection: AbstractConnection | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._closed = False
        self._up = asyncio.Event()
        self._turn = random.randrange(len(access.servers))  # noqa: S311 - nodes spread over the cluster
        self.trouble: asyncio.Future[str] | None = None
        self.connected_since: datetime | None = None
        self.down_since: datetime | None = None
        self.blocked_since: datetime | None = None
        self.reason = ""
        # It repeats what is told here, with traces; and at every try.
        for library in ("aiormq", "aio_pika"):
            logging.getLogger(library).setLevel(logging.CRITICAL)

    def start(self) -> None:
        """Begins to connect, in the background; calling it again does nothing."""
        if not self._closed and (self._keeping is None or self._keeping.done()):
            self.down_since = self._clock.now()
            self._keeping = asyncio.create_task(self._keep(), name=f"link {self._name}")

    async def close(self) -> None:
        self._closed = True
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)

    async def ready(self, within_s: float) -> AbstractConnection:
        """The open connection. Unreachable, with the last reason, when there is none in time."""
        self.start()
        if self._connection is None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    await self._up.wait()
        if self._connection is None:
            raise Unreachable(f"the broker does not answer: {self.reason or 'not connected yet'}")
        return self._connection

    async def channel(self, within_s: float, *, confirms: bool = False) -> AbstractChannel:
        """A new channel; what the broker returns is raised where it was published. Unreachable when it cannot be had."""
        connection = await self.ready(within_s)
        try:
            channel = connection.channel(publisher_confirms=confirms, on_return_raises=confirms)
            await answered(channel.initialize(), self._access.connect_s)
        except BROKEN as cause:
            raise Unreachable(f"the broker opens no channel: {said(cause)}") from cause
        return channel

    async def _keep(self) -> None:
        while True:
            connection = await self._connect()
            try:
                await self._watch(connection)
            finally:
                self._went_down()
                with contextlib.suppress(*BROKEN):
                    await answered(connection.close(), CLOSE_S)
            await asyncio.sleep(random.uniform(0.0, 0.1))  # noqa: S311 - so that not all come back at one moment

    async def _connect(self) -> AbstractConnection:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(BROKEN),
            wait=wait_random_exponential(multiplier=0.1, max=LONGEST_PAUSE_S),
            before_sleep=self._failed,
        ):
            with attempt:
                server = self._access.servers[self._turn % len(self._access.servers)]
                connection = await self._dial(server)
                self._came_up(connection, server)
                return connection
        raise AssertionError("unreachable: it tries until it is cancelled")

    async def _dial(self, server: Server) -> AbstractConnection:
        access = self._access
        url = URL.build(
            scheme="amqps" if server.tls else "amqp",
            host=server.host,
            port=server.port,
            user=access.user,
            password=access.password,
            path="/" + access.vhost.replace("/", "%2F"),
            query={"heartbeat": str(access.heartbeat_s), "name": self._name},
            encoded=False,
        )
        options: dict[str, Any] = {"ssl_context": access.tls_context()} if server.tls else {}
        decoding.widen()
        connection = aio_pika.Connection(url, **options)
        try:
            await answered(connection.connect(timeout=None), access.connect_s)
        except BaseException:
            with contextlib.suppress(*BROKEN):
                await answered(
                    connection.close(), CLOSE_S
                )  # else the library closes it at some later moment, in a task of nobody's
            raise
        return connection

    def _failed(self, attempt: RetryCallState) -> None:
        """Before the pause between two tries."""
        self._turn += 1
        error = attempt.outcome.exception() if attempt.outcome is not None else None
        reason = said(error) if error is not None else ""
        if self._access.certificate is None and re.search("reset|CERTIFICATE_REQUIRED", reason):
            reason += "; so ends a broker that asks for a client certificate: see amqp.certificate"
        if reason != self.reason or attempt.attempt_number % 20 == 0:
            action(_log, "axis.unreachable", reason, link=self._name, tries=attempt.attempt_number)
        self.reason = reason

    def _came_up(self, connection: AbstractConnection, server: Server) -> None:
        self._connection, self.reason = connection, ""
        self.connected_since, self.down_since = self._clock.now(), None
        self.trouble = asyncio.get_running_loop().create_future()
        self._up.set()
        action(_log, "axis.connected", link=self._name, server=str(server))

    def _went_down(self) -> None:
        self._connection = None
        self.connected_since, self.down_since, self.blocked_since = None, self._clock.now(), None
        self._up.clear()
        self._tell(self.reason)
        action(_log, "axis.disconnected", self.reason, link=self._name)

    async def _watch(self, connection: AbstractConnection) -> None:
        """Until the line breaks. The library keeps an alarm of the broker to itself, so it is asked."""
        lost = asyncio.Event()

        def on_close(_: AbstractConnection | None, error: BaseException | None) -> None:
            self.reason = said(error) if error is not None else "the line was closed"
            lost.set()

        connection.close_callbacks.add(on_close)
        while not lost.is_set() and connection.transport is not None:
            self._note_alarm(await _is_blocked(connection))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await lost.wait()

    def _note_alarm(self, blocked: bool) -> None:
        if blocked and self.blocked_since is None:
            self.blocked_since = self._clock.now()
            self.reason = "the broker takes nothing: it is short of memory or disk (an alarm is set)"
            self._tell(self.reason)
            action(_log, "axis.blocked", self.reason, link=self._name)
        elif not blocked and self.blocked_since is not None:
            self.blocked_since, self.reason = None, ""
            self.trouble = asyncio.get_running_loop().create_future()
            action(_log, "axis.unblocked", link=self._name)

    def _tell(self, trouble: str) -> None:
        if self.trouble is not None and not self.trouble.done():
            self.trouble.set_result(trouble)


async def answered(call: Awaitable[T], within_s: float, trouble: asyncio.Future[str] | None = None) -> T:
    """What the call gave, or what it raised, in time; `trouble` with the line ends the waiting at once. A line that is
    closed cancels what is under way on it: here that is a ConnectionError, never mistaken for our own cancelling."""
    calling = asyncio.ensure_future(call)
    watched: set[asyncio.Future[Any]] = {calling} if trouble is None else {calling, trouble}
    try:
        await asyncio.wait(watched, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        if calling.cancelled():
            raise ConnectionError("the line to the broker was closed")
        if calling.done():
            return calling.result()
        if trouble is not None and trouble.done():
            raise ConnectionError(trouble.result())
        raise TimeoutError("the broker did not answer in time")
    finally:
        calling.cancel()


async def _is_blocked(connection: AbstractConnection) -> bool:
    if connection.transport is None:
        return False
    try:
        async with asyncio.timeout(0):
            await connection.transport.ready()
    except TimeoutError:
        return True
    return False
