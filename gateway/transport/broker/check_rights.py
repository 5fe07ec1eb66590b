"""The steps of a check on a logged-in line: what the node needs is there and allowed, and nothing more is. In: a
`Session`. Out: what was found, for the label of the step; or a `Fault`. A right too many is a fault as well: whoever gets
hold of the node's password has it too. What should be refused is tried on names that nobody has, so that it would do
nothing even where it is allowed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from aio_pika.abc import AbstractExchange
from aio_pika.exceptions import ChannelNotFoundEntity, ChannelPreconditionFailed, DeliveryError
from aiormq.exceptions import ChannelAccessRefused

from gateway.transport.amqp import topology
from gateway.transport.broker.layout import node_queues
from gateway.transport.broker.session import Fault, Session

AT_ONCE = 200  # questions under way together
CODES_SHOWN = 20


async def queues(session: Session) -> Mapping[str, object]:
    """The node's own queues are there. Asking how many messages lie there takes none."""
    messages = 0
    for name in node_queues(session.node):
        try:
            async with session.channel() as channel:
                found = await channel.declare_queue(name, passive=True)
        except ChannelNotFoundEntity as why:
            raise Fault("queues.missing", "apply", queue=name) from why
        messages += found.declaration_result.message_count or 0
    return {"messages": messages}


async def read(session: Session) -> Mapping[str, object]:
    """The node may read its queues. Tried on the one that counts no deliveries, and put back at once."""
    name = topology.dead_queue(session.node)
    try:
        async with session.channel() as channel:
            queue = await channel.get_queue(name, ensure=False)
            if (message := await queue.get(fail=False)) is not None:
                await message.nack(requeue=True)
    except ChannelAccessRefused as why:
        raise Fault("read.refused", "apply", queue=name) from why
    return {}


async def rights(session: Session) -> Mapping[str, object]:
    """It may make nothing, read nobody else's queue, and send nowhere but to the lanes."""
    nobody = f"lienthong.nobody-{session.nonce}.dead"
    tries: Mapping[str, Callable[[], Awaitable[None]]] = {
        "rights.declare": partial(_declare, session, nobody),
        "rights.read": partial(_read, session, nobody),
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
        return False  # it was allowed, and only failed because there is no such thing
    return False


async def _declare(session: Session, name: str) -> None:
    async with session.channel() as channel:
        await channel.declare_queue(name, exclusive=True, auto_delete=True)
        await channel.queue_delete(name)


async def _read(session: Session, name: str) -> None:
    async with session.channel() as channel:
        queue = await channel.get_queue(name, ensure=False)
        await queue.get(fail=False)


async def impersonate(session: Session) -> Mapping[str, object]:
    """The broker lets nobody send in another node's name; what receivers know of the sender rests on it."""
    try:
        await session.say(topology.HOSTED_EXCHANGE, session.nonce, user=f"nobody-{session.nonce}")
    except ChannelPreconditionFailed:
        return {}
    except DeliveryError:
        pass
    raise Fault("impersonate.allowed", "impersonate", user=session.access.user)


async def confirm(session: Session) -> Mapping[str, object]:
    """What leads somewhere is confirmed, and what leads nowhere comes back."""
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


async def hosted(session: Session) -> Mapping[str, object]:
    """Every code that the node hosts leads somewhere."""
    lost: list[str] = []
    async with session.channel() as channel:
        exchange = await channel.get_exchange(topology.HOSTED_EXCHANGE, ensure=False)
        for start in range(0, len(session.codes), AT_ONCE):
            part = session.codes[start : start + AT_ONCE]
            answers = await asyncio.gather(*(_leads(session, exchange, code) for code in part))
            lost += [code for code, leads in zip(part, answers, strict=True) if not leads]
    if lost:
        raise Fault("hosted.missing", "apply", count=len(lost), codes=", ".join(lost[:CODES_SHOWN]))
    return {"count": len(session.codes)}


async def _leads(session: Session, exchange: AbstractExchange, code: str) -> bool:
    try:
        await exchange.publish(session.message(), topology.routing_key(code), mandatory=True)
    except DeliveryError:
        return False
    return True
