"""A simulated national axis: this module lists its agencies by system, and makes the settings of a node on it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gateway.ports.services import Clock
from gateway.settings import Settings
from gateway.settings.options import Secret
from gateway_foreign.rest.axis import RestAxis
from gateway_labs.simulators.vxp import Vxp
from tests.support.town.hubs import Simulated, at_work, axis_alone, started, system

NORTH, SOUTH = "bac.mophong.01", "nam.mophong.01"


@dataclass(frozen=True, kw_only=True)
class Axis(Simulated):
    """A national axis at work."""

    def connect(self, id: str, **vxp: object) -> Callable[[Settings], Settings]:
        """Return a change of settings that makes this the axis of a node, by that system."""
        secret = next(system.secret for system in self.settings.systems if system.id == id)
        return on(self.url, **{"system": id, "secret": Secret(secret), **vxp})


def on(url: str, **vxp: object) -> Callable[[Settings], Settings]:
    words: dict[str, Any] = {"endpoint": url, "poll_s": 3600.0, "rate_per_s": 1000.0, **vxp}

    def change(settings: Settings) -> Settings:
        axis = replace(settings.axis, kind="vxp", vouches="all")
        return replace(settings, axis=axis, vxp=replace(settings.vxp, **words))

    return change


@asynccontextmanager
async def simulator(folder: Path, systems: Mapping[str, Sequence[str]], **more: Any) -> AsyncIterator[Axis]:
    """Run a simulated national axis; `more` is what `hubs.at_work` takes."""
    async with at_work(Vxp, folder, [system(*s) for s in systems.items()], **more) as hub:
        yield Axis(**vars(hub))


def client(
    folder: Path, url: str, system: str, clock: Clock | None = None, **more: str
) -> AbstractAsyncContextManager[RestAxis]:
    """Open the axis of a node alone; `more` as the environment says it."""
    words = {"vxp_endpoint": url, "vxp_system": system, "vxp_secret": f"secret of {system}", **more}
    return axis_alone("vxp", folder, words, clock)


def systems_text(systems: Mapping[str, Sequence[str]]) -> str:
    """Return the systems in an operator's notation, which the simulator reads too."""
    return "".join(
        f'[[system]]\nid = "{id}"\nsecret = "secret of {id}"\nagencies = {json.dumps(list(codes))}\n'
        for id, codes in systems.items()
    )


def credentials(file: Path, systems: Mapping[str, Sequence[str]]) -> Path:
    file.write_text(systems_text(systems), encoding="utf-8")
    file.chmod(0o600)
    return file


def start(
    folder: Path, systems: Mapping[str, Sequence[str]], more: str = "", port: int = 0
) -> AbstractContextManager[str]:
    """Run `gateway simulate vxp` in a process of its own; yield its address."""
    return started("vxp", folder, systems_text(systems) + more, port)


def looked_into(folder: Path) -> list[tuple[Any, ...]]:
    """Return the rows of a hub whose process has its file open: id, kind, sender, receiver, status, times sent."""
    with closing(sqlite3.connect(folder / "systems.data" / "hub.sqlite", timeout=10)) as file:
        words = "SELECT m.doc_id, m.kind, m.sender, d.receiver, d.status, m.times"
        return file.execute(f"{words} FROM message m JOIN delivery d ON m.doc_id = d.doc_id").fetchall()
