"""The parts between the nodes of the demonstration of three axes: two simulated foreign services, which can be taken
away and brought back at their address, and a vhost of its own on a real broker where one is named. In: a folder, the
agencies on them. Out: addresses and credentials, made anew for each run. Everything here answers on the loopback alone."""

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
    """A running simulated service: `url` stays the same from the first start on."""

    systems: Mapping[str, HubSystem]
    url: str
    hub: Hub
    _application: Callable[[], web.Application]
    _running: server.RunningServer | None

    async def away(self) -> None:
        """Stop answering at its address. Its data stay on its disk."""
        if self._running is not None:
            await self._running.__aexit__()
            self._running = None

    async def back(self) -> None:
        """Answer at its address again. Clients have to sign in anew."""
        if self._running is None:
            restarted = server.RunningServer(self._application(), HOST, int(self.url.rpartition(":")[2]))
            await restarted.__aenter__()
            self._running = restarted


@asynccontextmanager
async def service(kind: str, folder: Path, agencies: Mapping[str, HubAgency]) -> AsyncIterator[Service]:
    """Run a service. `kind`: `lgsp` or `vxp`; `agencies`: by the name of the node that speaks for each."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    systems = {
        node: HubSystem(
            id=f"{agency.code.lower()}.thu.01",
            secret=new_secret(),
            agencies=(agency,),
            login=_login(kind, node),
        )
        for node, agency in agencies.items()
    }
    settings = SimulatorSettings(systems=tuple(systems.values()), hub=HubOptions(code=_TRACE[kind]))
    hub, faults = Hub(folder, settings), Faults(settings.faults)
    doors: type[Lgsp | Vxp] = Lgsp if kind == "lgsp" else Vxp

    def application() -> web.Application:
        return doors(hub, settings, faults).application()

    try:
        running = server.RunningServer(application(), HOST, 0)
        url = await running.__aenter__()
        started = Service(systems, url, hub, application, running)
        try:
            yield started
        finally:
            await started.away()
    finally:
        hub.close()


def _login(kind: str, node: str) -> HubLogin | None:
    if kind != "lgsp":
        return None
    return HubLogin(username=node, password=new_secret(), application="PM-THU")


@dataclass(frozen=True, slots=True, kw_only=True)
class Admin:
    """A broker's administration: the address for clients, the management API, and the user."""

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
    """Make a vhost for this run. `hosts`: each node and the code that it speaks for. All is removed in the end."""
    read_servers(admin.servers)  # before anything is made
    name = f"lienthong-thu-{secrets.token_hex(4)}"
    passwords = {node: new_secret() for node in hosts}
    keys = {topology.routing_key(code): node for node, code in hosts.items()}
    layout = plan.BrokerLayout(vhost=name, nodes=tuple(hosts), hosts=keys)
    async with management.opened(admin.api, admin.user, admin.password, name) as broker:
        try:
            live = await broker.state()
            target = plan.wanted_state(layout, password_hashes(passwords, {}))
            steps = plan.plan(live, target, admin=admin.user)
            async for _ in management.done_steps(broker, steps.steps):
                pass
            yield Vhost(servers=admin.servers, name=name, passwords=passwords)
        finally:
            await broker.drop()
            for node in hosts:
                await broker.remove(User(name=node, password_hash=""))
