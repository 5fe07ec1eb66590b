"""A node on three axes, each of which is handed another form: a folder of its own, a simulated national axis and a
simulated provincial service, which pass bytes on unless told otherwise."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from gateway.settings import AxisSettings, Settings
from gateway.settings.options import NamedAxis, RouteSettings
from gateway.simulators.settings import HubOptions
from tests.support import lgsp, vxp
from tests.support.packets import COMMUNE, DEPARTMENT, PROVINCE

MINISTRY = "G01"
SYSTEM = "truc.lienthong.01"
ON_NATIONAL = {SYSTEM: [DEPARTMENT, COMMUNE]}
APART = {SYSTEM: [DEPARTMENT, PROVINCE], vxp.SOUTH: [COMMUNE]}
WHOLE = HubOptions(code="TRUC.W00", anew=False)


@dataclass(frozen=True, kw_only=True)
class Hubs:
    """`change` makes a stage's settings those of a node on them."""

    national: vxp.Axis
    provincial: lgsp.Axis
    change: Callable[[Settings], Settings]


def routes(national: str = "unsigned", provincial: str = "dotnet") -> tuple[RouteSettings, ...]:
    return (
        RouteSettings(to=COMMUNE, axes=("national",), form=national),
        RouteSettings(to=f"{MINISTRY}.*", axes=("provincial",), form=provincial),
        RouteSettings(to="*", axes=("own",)),
    )


@asynccontextmanager
async def hubs(
    folder: Path,
    now: Callable[[], datetime],
    *,
    hub: HubOptions = WHOLE,
    told: tuple[RouteSettings, ...] | None = None,
    systems: Mapping[str, Sequence[str]] = ON_NATIONAL,
) -> AsyncIterator[Hubs]:
    """The same folder again has what was there."""
    secrets = folder / "vxp.toml"
    secrets.write_text(
        "".join(
            f'[[system]]\nid = "{id}"\nsecret = "secret of {id}"\nagencies = {[*codes]!r}\n'
            for id, codes in systems.items()
        )
    )
    secrets.chmod(0o600)
    keys = lgsp.credentials(folder / "lgsp.toml", [DEPARTMENT])
    async with (
        vxp.simulator(folder / "vxp", systems, hub=hub, now=now) as national,
        lgsp.of_agencies(folder / "lgsp", [DEPARTMENT, MINISTRY], hub=hub, now=now) as provincial,
    ):

        def change(settings: Settings) -> Settings:
            by_vxp = national.of(SYSTEM, credentials=secrets, system="", secret=None)(settings)
            by_lgsp = provincial.of(keys, partial="all")(settings)
            own = AxisSettings(folder=folder / "own", vouches="all")
            served = tuple(code for each in systems.values() for code in each)
            parts = {"axis": by_vxp.axis, "vxp": by_vxp.vxp}
            axes = (
                NamedAxis(name="own", away_s=0, parts={"axis": own}),
                NamedAxis(name="national", serves=served, away_s=0, parts=parts),
                NamedAxis(name="provincial", away_s=0, parts={"axis": by_lgsp.axis, "lgsp": by_lgsp.lgsp}),
            )
            return replace(settings, axes=axes, routes=told or routes())

        yield Hubs(national=national, provincial=provincial, change=change)
