"""Examines the axis as this node's own user meets it, step by step, without changing anything. In: an `Access`, the
node's name, the codes it hosts. Out: one `Diagnosis` per step with its time, cause and cure; steps that need a
connection are skipped without one. The first steps lead to a login: name, port, certificate, user and vhost; then follow
the queues, rights and bindings that the node needs. A right too many is a fault as well, because a thief of the node's
password has it too. Forbidden acts are tried on names that do not exist, so that they do no harm even if allowed."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange
from aio_pika.exceptions import ChannelNotFoundEntity, ChannelPreconditionFailed, DeliveryError
from aiormq.exceptions import (
    ChannelAccessRefused,
    ConnectionNotAllowed,
    InvalidFrameError,
    ProbableAuthenticationError,
)

from gateway import random_source, time_source
from gateway.domain.diagnosis import Diagnosis, Level
from gateway.errors import Unreachable
from gateway.transport.amqp import connection, topology
from gateway.transport.amqp.access import Access, Server
from gateway.transport.amqp.connection import BROKEN, describe_error
from gateway.transport.broker.plan import node_queues

AT_ONCE = 200  # limit of questions sent at once
MAX_LISTED_CODES = 20
WORDS = "axis.check"
SPARE_S = 1.0  # a step's own time limit comes first, because its error says what it waited for


class Fault(Exception):
    """Fault found by a step. `cause` is a label key below `axis.check.`, `cure` one below `axis.cure.`."""

    def __init__(self, cause: str, cure: str, **params: object) -> None:
        super().__init__(cause)
        self.cause, self.cure = cause, cure
        self.params: Mapping[str, object] = params


@dataclass(kw_only=True)
class ServerSession:
    """Examination of one server by one node. `nonce` makes names that do not exist elsewhere."""

    server: Server
    access: Access
    node: str
    codes: tuple[str, ...]
    nonce: str
    stack: AsyncExitStack = field(repr=False)
    line: AbstractConnection | None = None

    def channel(self) -> AbstractChannel:
        """Return a new channel, not open yet; each question needs its own, because a refusal closes its channel."""
        if self.line is None:
            raise Unreachable("the check is not logged in")
        return self.line.channel(publisher_confirms=True, on_return_raises=True)

    async def say(self, exchange: str, key: str, user: str | None = None) -> None:
        """Publish an empty message as `user`; DeliveryError where no binding of the exchange has the key."""
        async with self.channel() as channel:
            target = (
                await channel.get_exchange(exchange, ensure=False) if exchange else channel.default_exchange
            )
            await target.publish(self.message(user), key, mandatory=True)

    def message(self, user: str | None = None) -> aio_pika.Message:
        """Make an empty message that is not persistent."""
        return aio_pika.Message(b"", user_id=user or self.access.user)


SOON_DAYS = 14  # an authority needs days to renew a certificate
Step = Callable[[ServerSession], Awaitable[Mapping[str, object]]]


async def dns(session: ServerSession) -> Mapping[str, object]:
    """Check that the server's name has an address."""
    host = session.server.host
    try:
        addresses = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as why:
        raise Fault("dns.unknown", "dns", host=host, detail=describe_error(why)) from why
    return {"host": host, "addresses": ", ".join(sorted({str(a[4][0]) for a in addresses}))}


async def tcp(session: ServerSession) -> Mapping[str, object]:
    """Check that the port is open."""
    server = session.server
    try:
        _, writer = await asyncio.open_connection(server.host, server.port)
    except OSError as why:
        raise Fault("tcp.refused", "tcp", port=server.port, detail=describe_error(why)) from why
    await _leave(writer)
    return {"port": server.port}


async def tls(session: ServerSession) -> Mapping[str, object]:
    """Check that the certificate is trusted, has the server's name and holds for a while."""
    server = session.server
    try:
        _, writer = await asyncio.open_connection(
            server.host, server.port, ssl=session.access.tls_context(), server_hostname=server.host
        )
    except ssl.SSLCertVerificationError as why:
        raise Fault("tls.untrusted", "tls", detail=why.verify_message) from why
    except (OSError, ssl.SSLError) as why:
        raise Fault("tls.refused", "tls_port", detail=describe_error(why)) from why
    certificate = writer.get_extra_info("peercert")
    await _leave(writer)
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)
    last_day, days = ends.date().isoformat(), (ends - time_source.utc_now()).days
    if days < SOON_DAYS:
        raise Fault("tls.expiring", "tls_renew", until=last_day, days=days)
    return {"until": last_day, "days": days}


async def login(session: ServerSession) -> Mapping[str, object]:
    """Check that user and password are accepted, and that the vhost exists and is open to the user."""
    access = session.access
    params = {"user": access.user, "vhost": access.vhost}
    try:
        name = f"lienthong {session.node} check"
        session.line = await connection.dial(access, session.server, name=name)
    except ProbableAuthenticationError as why:
        raise Fault("login.refused", "login", **params) from why
    except (ConnectionNotAllowed, InvalidFrameError) as why:
        # The library does not read the broker's closing message here, so its reason is unknown.
        raise Fault("vhost.closed", "apply", **params) from why
    except ssl.SSLError as why:
        raise Fault("tls.refused", "tls", detail=describe_error(why)) from why
    except BROKEN as why:
        raise Fault("login.broken", "amqp_port", detail=describe_error(why), **params) from why
    session.stack.push_async_callback(session.line.close)
    return params


async def _leave(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def queues(session: ServerSession) -> Mapping[str, object]:
    """Check that the node's own queues exist, and count their messages without taking any."""
    messages = 0
    for name in node_queues(session.node):
        try:
            async with session.channel() as channel:
                declared = await channel.declare_queue(name, passive=True)
        except ChannelNotFoundEntity as why:
            raise Fault("queues.missing", "apply", queue=name) from why
        messages += declared.declaration_result.message_count or 0
    return {"messages": messages}


async def read(session: ServerSession) -> Mapping[str, object]:
    """Check that the node may read its queues. The dead queue is tried, because it counts no deliveries; its message is
    put back."""
    name = topology.dead_queue(session.node)
    try:
        async with session.channel() as channel:
            queue = await channel.get_queue(name, ensure=False)
            if (message := await queue.get(fail=False)) is not None:
                await message.nack(requeue=True)
    except ChannelAccessRefused as why:
        raise Fault("read.refused", "apply", queue=name) from why
    return {}


async def rights(session: ServerSession) -> Mapping[str, object]:
    """Check that the user may declare nothing, read no other node's queue, and publish only to the lanes."""
    nobody = f"lienthong.nobody-{session.nonce}.dead"
    tries: Mapping[str, Callable[[], Awaitable[None]]] = {
        "rights.declare": partial(_declare, session, nobody),
        "rights.read": partial(_try_reading, session, nobody),
        "rights.dead": partial(session.say, topology.DEAD_EXCHANGE, nobody),
        "rights.default": partial(session.say, "", nobody),
    }
    for cause, attempt in tries.items():
        if not await _refused(attempt):
            raise Fault(cause, "apply", user=session.access.user)
    return {}


async def _refused(attempt: Callable[[], Awaitable[None]]) -> bool:
    try:
        await attempt()
    except ChannelAccessRefused:
        return True
    except (ChannelNotFoundEntity, DeliveryError):
        return False  # it was allowed, and failed only because the name does not exist
    return False


async def _declare(session: ServerSession, name: str) -> None:
    async with session.channel() as channel:
        await channel.declare_queue(name, exclusive=True, auto_delete=True)
        await channel.queue_delete(name)


async def _try_reading(session: ServerSession, name: str) -> None:
    async with session.channel() as channel:
        queue = await channel.get_queue(name, ensure=False)
        await queue.get(fail=False)


async def impersonate(session: ServerSession) -> Mapping[str, object]:
    """Check that the broker refuses messages under another node's name, because receivers rely on that name."""
    try:
        await session.say(topology.HOSTED_EXCHANGE, session.nonce, user=f"nobody-{session.nonce}")
    except ChannelPreconditionFailed:
        return {}
    except DeliveryError:
        pass
    raise Fault("impersonate.allowed", "impersonate", user=session.access.user)


async def confirm(session: ServerSession) -> Mapping[str, object]:
    """Check that a routable message is confirmed, and an unroutable one returned."""
    try:
        await session.say(topology.HOSTED_EXCHANGE, topology.routing_key(topology.node_route(session.node)))
    except DeliveryError as why:
        raise Fault("confirm.unknown", "apply", node=session.node) from why
    except ChannelAccessRefused as why:
        raise Fault("confirm.refused", "apply", user=session.access.user) from why
    except ChannelNotFoundEntity as why:
        raise Fault("confirm.missing", "apply", exchange=topology.HOSTED_EXCHANGE) from why
    try:
        await session.say(topology.HOSTED_EXCHANGE, f"@nobody.{session.nonce}")
    except DeliveryError:
        return {}
    raise Fault("confirm.silent", "apply", exchange=topology.HOSTED_EXCHANGE)


async def hosted(session: ServerSession) -> Mapping[str, object]:
    """Check that every code that the node hosts has a binding."""
    unbound: list[str] = []
    async with session.channel() as channel:
        exchange = await channel.get_exchange(topology.HOSTED_EXCHANGE, ensure=False)
        for start in range(0, len(session.codes), AT_ONCE):
            part = session.codes[start : start + AT_ONCE]
            answers = await asyncio.gather(*(_leads(session, exchange, code) for code in part))
            unbound += [code for code, leads in zip(part, answers, strict=True) if not leads]
    if unbound:
        raise Fault(
            "hosted.missing", "apply", count=len(unbound), codes=", ".join(unbound[:MAX_LISTED_CODES])
        )
    return {"count": len(session.codes)}


async def _leads(session: ServerSession, exchange: AbstractExchange, code: str) -> bool:
    try:
        await exchange.publish(session.message(), topology.routing_key(code), mandatory=True)
    except DeliveryError:
        return False
    return True


# In the order in which a person would mend them: first the connection, then the faults beyond it.
_STEPS: Mapping[str, Step] = {
    step.__name__: step for step in (dns, tcp, tls, login, queues, read, rights, impersonate, confirm, hosted)
}
STEPS = tuple(_STEPS)


async def examine(access: Access, node: str, codes: Sequence[str]) -> AsyncIterator[Diagnosis]:
    """Run every step at every server of the cluster, and yield each diagnosis as soon as it is there."""
    for server in access.servers:
        async for finding in _at(server, access, node, codes):
            yield finding


async def _at(server: Server, access: Access, node: str, codes: Sequence[str]) -> AsyncIterator[Diagnosis]:
    broken = False
    async with AsyncExitStack() as stack:
        session = ServerSession(
            server=server,
            access=access,
            node=node,
            codes=tuple(codes),
            nonce=random_source.token_hex(8),
            stack=stack,
        )
        for name, step in _STEPS.items():
            if broken or (name == "tls" and not server.tls):
                cause = "before" if broken else "tls.none"
                yield Diagnosis(name, Level.SKIPPED, cause, server=str(server), words=WORDS)
                continue
            finding = await _run_step(session, name, step)
            yield finding
            # Without a connection nothing further can be asked; a certificate that expires soon still allows one.
            broken = session.line is None and finding.level is Level.RED and finding.cause != "tls.expiring"


async def _run_step(session: ServerSession, name: str, step: Step) -> Diagnosis:
    began = time_source.monotonic()
    level, cause, cure = Level.GREEN, f"{name}.fine", None
    try:
        async with asyncio.timeout(session.access.connect_s + SPARE_S):
            params = await step(session)
    except Fault as fault:
        level, cause, cure, params = Level.RED, fault.cause, fault.cure, fault.params
    except BROKEN as why:
        level, cause, cure, params = Level.RED, "broken", "again", {"detail": describe_error(why)}
    ms = round((time_source.monotonic() - began) * 1000)
    cure = f"axis.cure.{cure}" if cure else None
    return Diagnosis(name, level, cause, params, cure, server=str(session.server), ms=ms, words=WORDS)
