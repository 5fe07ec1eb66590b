"""What the steps of a check share: whom they ask, and the line that was opened on the way; and how a step says that
something is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection

from gateway.errors import Unreachable
from gateway.transport.amqp.access import Access, Server


class Fault(Exception):
    """A step found something wrong. `cause` is a label key below `axis.check.`, `cure` one below `axis.cure.`."""

    def __init__(self, cause: str, cure: str, **params: object) -> None:
        super().__init__(cause)
        self.cause, self.cure = cause, cure
        self.params: Mapping[str, object] = params


@dataclass(kw_only=True)
class Session:
    """One server asked by one node. `nonce` makes names that nobody else has."""

    server: Server
    access: Access
    node: str
    codes: tuple[str, ...]
    nonce: str
    stack: AsyncExitStack = field(repr=False)
    line: AbstractConnection | None = None

    def channel(self) -> AbstractChannel:
        """Not open yet; one for each question, because a refusal closes its channel."""
        if self.line is None:
            raise Unreachable("the check is not logged in")
        return self.line.channel(publisher_confirms=True, on_return_raises=True)

    async def say(self, exchange: str, key: str, user: str | None = None) -> None:
        """Publishes an empty message; it comes back as DeliveryError where the key leads nowhere. `user` is whom it
        claims to come from."""
        async with self.channel() as channel:
            target = (
                await channel.get_exchange(exchange, ensure=False) if exchange else channel.default_exchange
            )
            await target.publish(self.message(user), key, mandatory=True)

    def message(self, user: str | None = None) -> aio_pika.Message:
        """Empty, and not meant to be kept."""
        return aio_pika.Message(b"", user_id=user or self.access.user)
