"""Keeps one connection to the broker open while it is wanted. In: an `Access`. Out: channels, and the state of the
connection. A broken connection is opened again, at any server of the cluster, for as long as the node runs. Calls under
way fail and are not replayed; their callers retry.

The library's exceptions become sentences and outcomes of ours; none leaves this package. Decoding of message properties
is made total: any bytes decode to some value, or to None. The library raises on bad properties, which closes the whole
connection: one bad message would return all unacknowledged ones, each return counted as a delivery, until good parcels
are dead too."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import ssl
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import aio_pika
from aio_pika import exceptions as amqp
from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import (
    ChannelAccessRefused,
    ChannelInvalidStateError,
    InvalidFrameError,
    ProbableAuthenticationError,
)
from pamqp import decode
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from gateway import random_source
from gateway.errors import Misconfigured, TransportFailure, Unreachable
from gateway.log import action, quieten, warn
from gateway.ports.axis import Fate, Outcome
from gateway.ports.services import Clock
from gateway.transport.amqp.access import Access, Server

# Errors of a broken connection, a closed channel or a broker's refusal; a bug of ours raises none of these.
BROKEN: tuple[type[BaseException], ...] = (
    amqp.AMQPError,
    ChannelInvalidStateError,
    OSError,
    TimeoutError,
    Misconfigured,
    Unreachable,
)
_CURES = (
    (ProbableAuthenticationError, "the broker refuses this user: check amqp.user and the password"),
    (amqp.AuthenticationError, "the broker offers no way to log in that this program knows"),
    (InvalidFrameError, "the broker ends the line at once: check amqp.vhost, and that this user may use it"),
    (amqp.ChannelNotFoundEntity, "what this node needs is not on the broker: run gateway axis apply"),
    (ChannelAccessRefused, "this node's user may not do this: run gateway axis apply"),
)


_EXPIRED = 10  # X509_V_ERR_CERT_HAS_EXPIRED
TABLE_DEPTH = 16  # depth of nested tables; ours have one level, the broker's own have three
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECONDS = 0xFFFF_FFFF  # above this the library reads a time as milliseconds
_LENGTH = 4
_FIXED = {
    **dict.fromkeys((b"V", b"\x00"), 0),
    **dict.fromkeys((b"t", b"b", b"B"), 1),
    **dict.fromkeys((b"s", b"u"), 2),
    **dict.fromkeys((b"I", b"i", b"f"), 4),
    b"D": 5,
    **dict.fromkeys((b"l", b"L", b"d", b"T"), 8),
}
_TABLE, _ARRAY = b"F", b"A"
_COUNTED = (b"S", b"x", _TABLE, _ARRAY)
LOOK_S = 0.1  # how late an alarm of the broker may be noticed
CLOSE_S = 3.0  # a dead connection does not answer the closing handshake
LONGEST_PAUSE_S = 15.0
T = TypeVar("T")
_log = logging.getLogger(__name__)


def describe_error(error: BaseException) -> str:
    """Describe an error in one sentence without a trace, with the cure where it is known."""
    text = re.sub(r"\s+", " ", str(error)).strip() or type(error).__name__
    if isinstance(error, TimeoutError) and not error.args:
        text = "no answer in time"
    if isinstance(error, asyncio.CancelledError):  # the library cancels calls when no heartbeat came
        text = "nothing was heard from the broker"
    if isinstance(error, Misconfigured) and error.hint:
        text = f"{text}; {error.hint}"
    # The library wraps the certificate error in one of its own.
    behind = error if isinstance(error, ssl.SSLError) else error.__cause__
    if isinstance(behind, ssl.SSLCertVerificationError):
        cure = (
            "renew it at the broker"
            if behind.verify_code == _EXPIRED
            else "check amqp.ca and the host's name"
        )
        text = f"the broker's certificate is not accepted: {behind.verify_message}; {cure}"
    cure = next((cure for kind, cure in _CURES if isinstance(error, kind)), "")
    return f"{cure} ({text})" if cure else text


def later_outcome(error: BaseException) -> Outcome:
    """Return the outcome RETRY for an error of the connection or broker, not of the parcel itself."""
    return Outcome(fate=Fate.RETRY, code=_code(error), detail=describe_error(error))


def _code(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "axis-slow"
    if isinstance(error, amqp.DeliveryError | amqp.ChannelPreconditionFailed):
        return "axis-refused"
    if isinstance(error, amqp.ChannelNotFoundEntity | ChannelAccessRefused):
        return "axis-rights"
    return "axis-down"


def is_missing(error: BaseException) -> bool:
    """Tell whether the error means that the broker lacks the queue or exchange."""
    return isinstance(error, amqp.ChannelNotFoundEntity)


def widen_decoding() -> None:
    """Replace the library's decoders by the total ones below. Calling it again changes nothing."""
    decode.METHODS |= {"shortstr": read_short_text, "timestamp": read_time, "table": read_table}


def read_short_text(data: bytes) -> tuple[int, str]:
    """Decode a short text and return the bytes used with it; invalid UTF-8 becomes the replacement character."""
    size = data[0] if data else 0
    return 1 + size, data[1 : 1 + size].decode(errors="replace")


def read_time(data: bytes) -> tuple[int, datetime | None]:
    """Decode a timestamp and return the bytes used with it; None for a time beyond the calendar."""
    timestamp = int.from_bytes(data[:8], "big")
    seconds = timestamp if timestamp <= _MILLISECONDS else timestamp / 1000
    try:
        return 8, _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return 8, None


def read_table(data: bytes) -> tuple[int, dict[str, Any]]:
    """Decode a table and return the bytes used with it. It ends at the first value of an unknown type, because the
    length of that value is not known."""
    size = int.from_bytes(data[:_LENGTH], "big")
    return _LENGTH + size, _table(data[_LENGTH : _LENGTH + size], 1)


def _table(data: bytes, depth: int) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    offset = 0
    while offset < len(data):
        used, name = read_short_text(data[offset : offset + 256])
        offset += used
        piece = _piece(data, offset)
        if piece is None:
            break
        fields[name] = _value(*piece, depth)
        offset += 1 + len(piece[1])
    return fields


def _array(data: bytes, depth: int) -> Iterator[Any]:
    offset = 0
    while (piece := _piece(data, offset)) is not None:
        yield _value(*piece, depth)
        offset += 1 + len(piece[1])


def _piece(data: bytes, at: int) -> tuple[bytes, bytes] | None:
    """Return type and bytes of the value at `at`; None where no complete value of a known type begins."""
    kind, value_start = data[at : at + 1], at + 1
    size = _FIXED.get(kind)
    if kind in _COUNTED:
        size = _LENGTH + int.from_bytes(data[value_start : value_start + _LENGTH], "big")
    if size is None or value_start + size > len(data):
        return None
    return kind, data[value_start : value_start + size]


# The library's tables hold values of many types.
def _value(kind: bytes, data: bytes, depth: int) -> Any:
    """Decode one value; a table nested too deep becomes None."""
    if kind in (_TABLE, _ARRAY):
        if depth == TABLE_DEPTH:
            return None
        inner = data[_LENGTH:]
        return _table(inner, depth + 1) if kind == _TABLE else list(_array(inner, depth + 1))
    if kind == b"T":
        return read_time(data)[1]
    return decode.TABLE_MAPPING[kind](data)[1]


class Link:
    """One connection to the broker, named so that its administrator sees its purpose, and opened again when it breaks."""

    def __init__(self, access: Access, name: str, clock: Clock) -> None:
        self._access, self._name, self._clock = access, name, clock
        self._connection: AbstractConnection | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._closed = False
        self._up, self._refused = asyncio.Event(), asyncio.Event()
        self._turn = random_source.below(
            len(access.servers)
        )  # random start, so that nodes spread over the cluster
        self.trouble: asyncio.Future[str] | None = None
        self.connected_since: datetime | None = None
        self.down_since: datetime | None = None
        self.blocked_since: datetime | None = None
        self.reason = ""
        quieten()  # the library logs the same failures again, with traces and at every try

    def start(self) -> None:
        """Begin to connect in the background; calling it again does nothing."""
        if not self._closed and (self._keeping is None or self._keeping.done()):
            self.down_since = self._clock.now()
            self._keeping = asyncio.create_task(self._keep(), name=f"link {self._name}")

    async def close(self) -> None:
        self._closed = True
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)

    async def ready(self, within_s: float, *, patient: bool = True) -> AbstractConnection:
        """Return the open connection, waiting up to `within_s`. Unreachable, with the last reason, when there is none in
        time; with `patient` false already when every server of the cluster has been tried without success."""
        self.start()
        if self._connection is None:
            await _any_of((self._up,) if patient else (self._up, self._refused), within_s)
        if self._connection is None:
            self.reason = self.reason or "no answer yet"
            raise Unreachable(f"the broker does not answer: {self.reason}")
        return self._connection

    async def channel(
        self, within_s: float, *, confirms: bool = False, patient: bool = True
    ) -> AbstractChannel:
        """Open a channel, with publisher confirms on request: then a returned message raises where it was published.
        Unreachable when no channel can be opened."""
        connection = await self.ready(within_s, patient=patient)
        try:
            channel = connection.channel(publisher_confirms=confirms, on_return_raises=confirms)
            await await_answer(channel.initialize(), self._access.connect_s)
        except BROKEN as cause:
            raise Unreachable(f"the broker opens no channel: {describe_error(cause)}") from cause
        except RuntimeError as cause:  # the library's error for a connection that was closed a moment ago
            raise Unreachable("the broker opens no channel: the line was closed") from cause
        return channel

    async def _keep(self) -> None:
        """Connect, watch the connection until it breaks, and connect again, until cancelled."""
        while True:
            connection = await self._connect()
            try:
                await self._watch(connection)
            finally:
                self._went_down()
                with contextlib.suppress(*BROKEN):
                    await await_answer(connection.close(), CLOSE_S)
            await asyncio.sleep(random_source.uniform(0.0, 0.1))  # not all nodes reconnect at once

    async def _connect(self) -> AbstractConnection:
        """Connect to one server after the other until one accepts."""

        async def once() -> AbstractConnection:
            server = self._access.servers[self._turn % len(self._access.servers)]
            query = {"heartbeat": str(self._access.heartbeat_s), "name": self._name}
            connection = await dial(self._access, server, **query)
            self._came_up(connection, server)
            return connection

        return await repeat_until_done(once, self._failed)

    def _failed(self, error: BaseException, tries: int) -> None:
        self._turn += 1
        reason = describe_error(error)
        if self._access.certificate is None and re.search("reset|CERTIFICATE_REQUIRED", reason):
            reason += "; so ends a broker that asks for a client certificate: see amqp.certificate"
        message = f"the broker does not answer: {reason}"
        warn(_log, "axis.unreachable", message, code=Unreachable.code, link=self._name, tries=tries)
        self.reason = reason
        if tries >= len(self._access.servers):
            self._refused.set()

    def _came_up(self, connection: AbstractConnection, server: Server) -> None:
        self._connection, self.reason = connection, ""
        self.connected_since, self.down_since = self._clock.now(), None
        self.trouble = asyncio.get_running_loop().create_future()
        self._up.set()
        self._refused.clear()
        action(_log, "axis.connected", link=self._name, server=str(server), ends=Unreachable.code)

    def _went_down(self) -> None:
        self._connection = None
        self.connected_since, self.down_since, self.blocked_since = None, self._clock.now(), None
        self._up.clear()
        self._tell(self.reason)
        if self._closed:  # by us, at the end
            return
        message = f"the broker is gone: {self.reason}"
        warn(_log, "axis.disconnected", message, code=Unreachable.code, link=self._name)

    async def _watch(self, connection: AbstractConnection) -> None:
        """Watch a connection until it breaks. The library does not report an alarm of the broker, so it is polled."""
        lost = asyncio.Event()

        def on_close(_: AbstractConnection | None, error: BaseException | None) -> None:
            self.reason = describe_error(error) if error is not None else "the line was closed"
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
            warn(_log, "axis.blocked", self.reason, code=TransportFailure.code, link=self._name)
        elif not blocked and self.blocked_since is not None:
            self.blocked_since, self.reason = None, ""
            self.trouble = asyncio.get_running_loop().create_future()
            action(_log, "axis.unblocked", link=self._name, ends=TransportFailure.code)

    def _tell(self, trouble: str) -> None:
        if self.trouble is not None and not self.trouble.done():
            self.trouble.set_result(trouble)


async def dial(access: Access, server: Server, **query: str) -> AbstractConnection:
    """Connect to one server within the time limit, closing the connection on failure. `query` is added to the address."""
    options: dict[str, Any] = {"ssl_context": access.tls_context()} if server.tls else {}
    widen_decoding()
    connection = aio_pika.Connection(access.url(server, **query), **options)
    try:
        await await_answer(connection.connect(timeout=None), access.connect_s)
    except BaseException:
        # Without this the library would close it at some later moment, in a task without an owner.
        with contextlib.suppress(*BROKEN):
            await await_answer(connection.close(), CLOSE_S)
        raise
    return connection


async def await_answer(call: Awaitable[T], within_s: float, trouble: asyncio.Future[str] | None = None) -> T:
    """Return the result of the call within the time limit, or raise its error; trouble with the connection ends the wait
    at once. A closing connection cancels its pending calls: this raises ConnectionError instead, so that it is not
    mistaken for cancellation of our own task."""
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


async def repeat_until_done(
    call: Callable[[], Awaitable[T]], failed: Callable[[BaseException, int], None]
) -> T:
    """Repeat the call until it succeeds, with growing pauses. `failed` gets each error and the number of tries so far."""

    def before_pause(attempt: RetryCallState) -> None:
        if attempt.outcome is not None and (error := attempt.outcome.exception()) is not None:
            failed(error, attempt.attempt_number)

    async for attempt in AsyncRetrying(
        retry=retry_if_exception_type(BROKEN),
        wait=lambda tried: random_source.backoff_s(tried.attempt_number, 0.1, LONGEST_PAUSE_S),
        before_sleep=before_pause,
    ):
        with attempt:
            return await call()
    raise AssertionError("unreachable: it tries until it is cancelled")


async def _any_of(events: Sequence[asyncio.Event], within_s: float) -> None:
    """Wait until one of the events is set, or the time is over."""
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()


async def _is_blocked(connection: AbstractConnection) -> bool:
    """Tell whether the broker has blocked the connection by an alarm."""
    if connection.transport is None:
        return False
    try:
        async with asyncio.timeout(0):
            await connection.transport.ready()
    except TimeoutError:
        return True
    return False
