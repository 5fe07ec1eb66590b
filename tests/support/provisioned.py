"""Nodes on a real broker, brought up by our own plan: their names, users and passwords. Users belong to the whole broker,
so every name is new, and goes when the test ends."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import aio_pika
from aio_pika.abc import AbstractConnection

from gateway.domain.registry import Hosting
from gateway.transport.broker import definitions, management
from gateway.transport.broker import plan as layout
from gateway.transport.broker.management import Management
from gateway.transport.broker.plan import BrokerLayout, BrokerPlan, plan
from tests.support.broker import Broker
from tests.support.leaks import WATCH


@dataclass(kw_only=True)
class Province:
    """Nodes with made-up names, by the short names that a test gives them."""

    broker: Broker
    names: dict[str, str] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)

    def node(self, short: str) -> str:
        """Its real name; made on first asking."""
        if short not in self.names:
            self.names[short] = f"{short}-{secrets.token_hex(4)}"
            self.passwords[self.names[short]] = WATCH.remember(secrets.token_hex(12))
        return self.names[short]

    def layout(self, nodes: Mapping[str, str]) -> BrokerLayout:
        """Codes by the short name of their node."""
        return layout.layout(
            self.broker.vhost, [Hosting(node=self.node(short), code=code) for code, short in nodes.items()]
        )

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Management]:
        """The administrator's way in."""
        line = management.opened(self.api, self.broker.user, self.broker.password, self.broker.vhost)
        async with line as opened_line:
            yield opened_line

    @property
    def api(self) -> str:
        """Without the credentials that stand in the test's own address."""
        parts = urlsplit(self.broker.api)
        return f"{parts.scheme}://{parts.hostname}:{parts.port}"

    async def plan(self, nodes: Mapping[str, str], *, remove_nodes: bool = False) -> BrokerPlan:
        """Plan the steps from the broker's present state to that layout."""
        async with self.opened() as line:
            live = await line.state()
        axis = self.layout(nodes)
        old = {name: user.password_hash for name, user in live.users.items()}
        hashes = definitions.password_hashes({node: self.passwords[node] for node in axis.nodes}, old)
        goal = layout.wanted_state(axis, hashes)
        return plan(live, goal, admin=self.broker.user, remove_nodes=remove_nodes)

    async def bring(self, nodes: Mapping[str, str], *, remove_nodes: bool = False) -> BrokerPlan:
        """The broker is as the registry says; the plan that did it."""
        changes = await self.plan(nodes, remove_nodes=remove_nodes)
        async with self.opened() as line:
            async for _ in management.done_steps(line, changes.steps):
                pass
        return changes

    @asynccontextmanager
    async def session(self, short: str) -> AsyncIterator[AbstractConnection]:
        """A connection with the node's own rights."""
        name = self.node(short)
        connection = await aio_pika.connect(
            host=self.broker.host,
            port=self.broker.port,
            login=name,
            password=self.passwords[name],
            virtualhost=self.broker.vhost,
        )
        async with connection:
            yield connection


@contextmanager
def province(broker: Broker) -> Iterator[Province]:
    """Removes at the end every user that it made."""
    province = Province(broker=broker)
    try:
        yield province
    finally:
        users = {user["name"] for user in broker.ask("GET", "/api/users")}
        for name in users & set(province.names.values()):
            broker.ask("DELETE", f"/api/users/{name}")
