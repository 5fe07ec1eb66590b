"""These changes of settings connect the nodes of towns: by a broker, by two axes in folders, or by three axes that are each
handed another form: a folder, a simulated national axis and a simulated provincial service. `vxp` and `lgsp` make the
changes for a single hub."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gateway.settings.options import AxisSettings, NamedAxis, RouteSettings, Secret, Settings
from gateway_foreign.rest.axis import RestAxis
from gateway_labs.simulators.settings import HubOptions
from tests.support.clock import ManualClock
from tests.support.packets import COMMUNE, DEPARTMENT, PROVINCE
from tests.support.topology import Topology
from tests.support.town import lgsp, vxp
from tests.support.town.acts import Town
from tests.support.town.builder import Change, open_town, unchanged
from tests.support.town.hubs import Now

MINISTRY = "G01"
SYSTEM = "truc.lienthong.01"
CODES = (PROVINCE, DEPARTMENT, COMMUNE)
ON_NATIONAL = {SYSTEM: [DEPARTMENT, COMMUNE]}
TWO_SYSTEMS = {SYSTEM: [DEPARTMENT, PROVINCE], vxp.SOUTH: [COMMUNE]}
FORWARDING = HubOptions(code="TRUC.W00", anew=False)


@dataclass(frozen=True, kw_only=True)
class Hubs:
    """`change` makes a stage's settings those of a node on them."""

    national: vxp.Axis
    provincial: lgsp.Axis
    change: Change


def routes(national: str = "unsigned", provincial: str = "dotnet") -> tuple[RouteSettings, ...]:
    return (
        RouteSettings(to=COMMUNE, axes=("national",), form=national),
        RouteSettings(to=f"{MINISTRY}.*", axes=("provincial",), form=provincial),
        RouteSettings(to="*", axes=("own",)),
    )


@asynccontextmanager
async def hubs(
    folder: Path,
    now: Now,
    *,
    hub: HubOptions = FORWARDING,
    routed: tuple[RouteSettings, ...] | None = None,
    systems: Mapping[str, Sequence[str]] = ON_NATIONAL,
) -> AsyncIterator[Hubs]:
    """Run both hubs; on the same folder they keep what an earlier run left there."""
    secrets = vxp.credentials(folder / "vxp.toml", systems)
    keys = lgsp.credentials(folder / "lgsp.toml", [DEPARTMENT])
    async with (
        vxp.simulator(folder / "vxp", systems, hub=hub, now=now) as national,
        lgsp.of_agencies(folder / "lgsp", [DEPARTMENT, MINISTRY], hub=hub, now=now) as provincial,
    ):

        def change(settings: Settings) -> Settings:
            by_vxp = national.connect(SYSTEM, credentials=secrets, system="", secret=None)(settings)
            by_lgsp = provincial.connect(keys, partial="all")(settings)
            own = AxisSettings(folder=folder / "own", vouches="all")
            served = tuple(code for system in systems.values() for code in system)
            parts = {"axis": by_vxp.axis, "vxp": by_vxp.vxp}
            axes = (
                NamedAxis(name="own", away_s=0, parts={"axis": own}),
                NamedAxis(name="national", serves=served, away_s=0, parts=parts),
                NamedAxis(name="provincial", away_s=0, parts={"axis": by_lgsp.axis, "lgsp": by_lgsp.lgsp}),
            )
            return replace(settings, axes=axes, routes=routed or routes())

        yield Hubs(national=national, provincial=provincial, change=change)


def over_broker(topology: Topology, node: str, **amqp: Any) -> Change:
    """Return a change that connects a node by the broker, under this name of the topology."""
    access = topology.access(node)
    server, secret = str(access.servers[0]), Secret(access.password)

    def change(settings: Settings) -> Settings:
        line = replace(settings.amqp, servers=server, vhost=access.vhost, password=secret, **amqp)
        return replace(
            settings,
            node=replace(settings.node, name=topology.name(node)),
            axis=replace(settings.axis, kind="amqp"),
            amqp=line,
        )

    return change


def on_two(folder: Path, *, unsure: str = "wait", second: str = "national") -> Change:
    """Return a change that puts a node on two axes in folders, the province first for both agencies; one of them does not
    wait for it. `second`: the name of the other axis."""
    axes = tuple(
        NamedAxis(name=name, away_s=0, parts={"axis": AxisSettings(folder=folder / name)})
        for name in ("province", second)
    )
    both = ("province", second)
    routes = (
        RouteSettings(to=PROVINCE, axes=both, away="next", unsure=unsure),
        RouteSettings(to=COMMUNE, axes=both, away="wait"),
        RouteSettings(to="*", axes=(second,)),
    )
    return lambda settings: replace(settings, axes=axes, routes=routes)


@dataclass(frozen=True, kw_only=True)
class OnHub:
    """A town whose agencies are on one hub; `credentials`: the file that says how, where it is a provincial service."""

    town: Town
    axis: vxp.Axis | lgsp.Axis
    credentials: Path = Path()

    @property
    def client(self) -> RestAxis:
        return self.town.foreign[0]

    @property
    def documents(self) -> list[tuple[str, int]]:
        """List the hub's documents: receiver and how often each was sent."""
        return sorted((row[3], row[5]) for row in self.axis.hub.summary() if row[1] == "edoc")

    async def carry(self, turns: int = 3) -> None:
        await self.town.carry_around(turns)


@asynccontextmanager
async def on_vxp(folder: Path, change: Change = unchanged, **vxp_settings: object) -> AsyncIterator[OnHub]:
    """Open a town with all three agencies on a national axis, by one system; `change` comes after its settings."""
    clock = ManualClock()
    async with vxp.simulator(folder / "hub", {SYSTEM: [*CODES]}, now=clock.now) as axis:
        of_hub = axis.connect(SYSTEM, **vxp_settings)
        async with open_town(
            folder / "node", clock, change=lambda settings: change(of_hub(settings))
        ) as town:
            yield OnHub(town=town, axis=axis)


@asynccontextmanager
async def on_lgsp(
    folder: Path, clock: ManualClock, password: str = lgsp.LOGIN.password, **lgsp_settings: object
) -> AsyncIterator[OnHub]:
    """Open a town with all three agencies on a provincial service."""
    async with lgsp.of_agencies(folder / "hub", CODES, now=clock.now) as axis:
        file = lgsp.credentials(folder / "lgsp.toml", CODES, password)
        async with open_town(folder / "node", clock, change=axis.connect(file, **lgsp_settings)) as town:
            yield OnHub(town=town, axis=axis, credentials=file)


HOSTED = {"north": [DEPARTMENT], "south": [PROVINCE, COMMUNE]}
SYSTEMS = {vxp.NORTH: HOSTED["north"], vxp.SOUTH: HOSTED["south"]}


def both(
    folder: Path, codes: list[str], system: str, ports: Mapping[str, int], poll_s: float = 0.05
) -> Change:
    """Return a change that puts the provincial service first, and the national axis where that is away. Each is a process
    at one of the ports."""
    province = lgsp.credentials(folder / f"{codes[0]}.lgsp.toml", codes)
    national = vxp.credentials(folder / f"{codes[0]}.vxp.toml", {system: codes})
    province_url, national_url = (f"http://127.0.0.1:{ports[name]}" for name in ("province", "national"))

    def change(settings: Settings) -> Settings:
        by_lgsp = lgsp.on(province_url, province, poll_s=poll_s, unknown_outcome="resend", sweep_days=500)(
            settings
        )
        by_vxp = vxp.on(national_url, credentials=national, poll_s=poll_s)(settings)
        axes = (
            NamedAxis(name="province", away_s=0, parts={"axis": by_lgsp.axis, "lgsp": by_lgsp.lgsp}),
            NamedAxis(name="national", away_s=0, parts={"axis": by_vxp.axis, "vxp": by_vxp.vxp}),
        )
        route = RouteSettings(to="*", axes=("province", "national"), away="next")
        return replace(settings, axes=axes, routes=(route,))

    return change
