"""What lies between the nodes of the demonstration of three axes: two simulated services of others, each of which can be
taken away and brought back at its address, and a vhost of its own on a real broker where one is named. In: a folder, who
is on them. Out: addresses and credentials, made anew for each run. Everything here answers on the loopback alone."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from gateway.transport.amqp import topology
from gateway.transport.amqp.access import read_servers
from gateway.transport.broker import management, plan
from gateway.transport.broker.definitions import password_hashes
from gateway.transport.broker.plan import User
from gateway_labs.simulators import server
from gateway_labs.simulators.hub import Hub
from gateway_labs.simulators.lgsp import Lgsp
from gateway_labs.simulators.settings import (
    Faults,
    HubAgency,
    HubLogin,
    HubOptions,
    HubSystem,
    SimulatorSettings,
)
from gateway_labs.simulators.vxp import Vxp

HOST = "127.0.0.1"
_TRACE = {"lgsp": "TRUC.TINH", "vxp": "TRUC.QUOCGIA"}


def new_secret() -> str:
    return secrets.token_urlsafe(24)


@dataclass(slots=True)
class Service:
    """A simulated service at work: `url` stays the same from the first start on."""

    systems: Mapping[str, HubSystem]
    url: str
    hub: Hub
    _application: Callable[[], web.Application]
    _running: server.running | None

    async def away(self) -> None:
        """Nobody answers at its address. What it has stays on its disk."""
        if self._running is not None:
            await self._running.__aexit__()
            self._running = None

    async def back(self) -> None:
        """At its address again. Whoever was signed in has to sign in anew."""
        if self._running is None:
            again = server.running(self._application(), HOST, int(self.url.rpartition(":")[2]))
            await again.__aenter__()
            self._running = again


@asynccontextmanager
async def service(kind: str, folder: Path, agencies: Mapping[str, HubAgency]) -> AsyncIterator[Service]:
    """`kind`: `lgsp` or `vxp`; `agencies`: by the name of the node that speaks for each. Stopped in the end."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    systems = {
        node: HubSystem(
            id=f"{each.code.lower()}.thu.01", secret=new_secret(), agencies=(each,), login=_login(kind, node)
        )
        for node, each in agencies.items()
    }
    settings = SimulatorSettings(systems=tuple(systems.values()), hub=HubOptions(code=_TRACE[kind]))
    hub, faults = Hub(folder, settings), Faults(settings.faults)
    doors: type[Lgsp | Vxp] = Lgsp if kind == "lgsp" else Vxp

    def application() -> web.Application:
        return doors(hub, settings, faults).application()

    try:
        running = server.running(application(), HOST, 0)
        url = await running.__aenter__()
        made = Service(systems, url, hub, application, running)
        try:
            yield made
        finally:
            await made.away()
    finally:
        hub.close()


def _login(kind: str, node: str) -> HubLogin | None:
    if kind != "lgsp":
        return None
    return HubLogin(username=node, password=new_secret(), application="PM-THU")


@dataclass(frozen=True, slots=True, kw_only=True)
class Admin:
    """How a broker's administrator reaches it: where clients connect, the management API, and who."""

    servers: str
    api: str
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vhost:
    """A vhost of one run, and the password of each of its nodes there."""

    servers: str
    name: str
    passwords: Mapping[str, str] = field(repr=False)


@asynccontextmanager
async def vhost(admin: Admin, hosts: Mapping[str, str]) -> AsyncIterator[Vhost]:
    """`hosts`: each node of the run and the code that it speaks for. In the end the vhost and its users are gone."""
    read_servers(admin.servers)  # before anything is made
    name = f"lienthong-thu-{secrets.token_hex(4)}"
    passwords = {node: new_secret() for node in hosts}
    keys = {topology.routing_key(code): node for node, code in hosts.items()}
    layout = plan.BrokerLayout(vhost=name, nodes=tuple(hosts), hosts=keys)
    async with management.opened(admin.api, admin.user, admin.password, name) as broker:
        try:
            live = await broker.state()
            wanted = plan.wanted(layout, password_hashes(passwords, {}))
            made = plan.plan(live, wanted, admin=admin.user)
            async for _ in management.done_steps(broker, made.steps):
                pass
            yield Vhost(servers=admin.servers, name=name, passwords=passwords)
        finally:
            await broker.drop()
            for node in hosts:
                await broker.remove(User(name=node, password_hash=""))
