"""A simulated national axis for tests: in this process, on a clock that the test owns. In: who is on it. Out: its address,
its hub to look into, its faults to change."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway.bootstrap.axis import open_axis
from gateway.ports import Clock
from gateway.settings import Settings, load
from gateway.settings.options import Secret
from gateway.simulators import server
from gateway.simulators.faults import Faults
from gateway.simulators.hub import Hub
from gateway.simulators.settings import FaultOptions, HubAgency, HubOptions, HubSystem, SimulatorSettings
from gateway.simulators.vxp import Vxp
from gateway.transport.rest.axis import RestAxis


@dataclass(frozen=True, kw_only=True)
class Axis:
    """A simulator at work."""

    url: str
    hub: Hub
    faults: Faults
    settings: SimulatorSettings

    def of(self, id: str, **vxp: object) -> Callable[[Settings], Settings]:
        """Settings of a node whose axis is this one, by that system."""
        secret = next(each.secret for each in self.settings.systems if each.id == id)
        told = {
            "endpoint": self.url,
            "system": id,
            "secret": Secret(secret),
            "poll_s": 3600.0,
            "rate_per_s": 1000.0,
        }

        def change(settings: Settings) -> Settings:
            return replace(
                settings,
                axis=replace(settings.axis, kind="vxp", vouches="all"),
                vxp=replace(settings.vxp, **{**told, **vxp}),  # type: ignore[arg-type]  # a test's own
            )

        return change


@asynccontextmanager
async def simulator(
    folder: Path,
    systems: Mapping[str, Sequence[str]],
    *,
    hub: HubOptions | None = None,
    faults: FaultOptions | None = None,
    now: Callable[[], datetime] | None = None,
    port: int = 0,
) -> AsyncIterator[Axis]:
    """The same folder again has what was there."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = SimulatorSettings(
        systems=tuple(
            HubSystem(
                id=id,
                secret=f"secret of {id}",
                agencies=tuple(HubAgency(code=code, name=f"Cơ quan {code}") for code in codes),
            )
            for id, codes in systems.items()
        ),
        hub=hub or HubOptions(code="TRUC.W00"),
        faults=faults or FaultOptions(),
    )
    found = Hub(folder, settings, now)
    wrong = Faults(settings.faults)
    try:
        async with server.running(Vxp(found, settings, wrong).application(), "127.0.0.1", port) as url:
            yield Axis(url=url, hub=found, faults=wrong, settings=settings)
    finally:
        found.close()


@asynccontextmanager
async def client(
    folder: Path, url: str, system: str, clock: Clock | None = None, **more: str
) -> AsyncIterator[RestAxis]:
    """The axis of a node alone, as its settings open it; `more` as the environment says it."""
    told = {
        "node_data_dir": str(folder),
        "axis_kind": "vxp",
        "vxp_endpoint": url,
        "vxp_system": system,
        "vxp_secret": f"secret of {system}",
        "vxp_poll_s": "3600",
        "vxp_rate_per_s": "1000",
    }
    settings = load(None, {f"GATEWAY_{name.upper()}": word for name, word in (told | more).items()})
    async with open_axis(settings, clock) if clock else open_axis(settings) as axis:
        assert isinstance(axis, RestAxis)
        yield axis


NORTH, SOUTH = "bac.mophong.01", "nam.mophong.01"
ROOT = Path(__file__).parents[2]


@contextmanager
def start(folder: Path, systems: Mapping[str, Sequence[str]], more: str = "", port: int = 0) -> Iterator[str]:
    """`gateway simulate vxp` in a process of its own, which is killed in the end; its address."""
    told = "".join(
        f'[[system]]\nid = "{id}"\nsecret = "secret of {id}"\nagencies = {json.dumps(list(codes))}\n'
        for id, codes in systems.items()
    )
    with started("vxp", folder, told + more, port) as url:
        yield url


@contextmanager
def started(kind: str, folder: Path, told: str, port: int) -> Iterator[str]:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "systems.toml"
    file.write_text(told, encoding="utf-8")
    command = [sys.executable, "-m", "gateway", "--lang", "en", "simulate", kind]
    command += ["--listen", f"127.0.0.1:{port}", "--systems", str(file)]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        found = re.search(r"http://[0-9.]+:[0-9]+", line)
        assert found, line + process.stderr.read()
        yield found.group()
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def looked_into(folder: Path) -> list[tuple[Any, ...]]:
    """The rows of a hub whose process has its file open: id, kind, sender, receiver, status, times sent."""
    with closing(sqlite3.connect(folder / "systems.data" / "hub.sqlite", timeout=10)) as file:
        words = "SELECT m.doc_id, m.kind, m.sender, d.receiver, d.status, m.times"
        return file.execute(f"{words} FROM message m JOIN delivery d ON m.doc_id = d.doc_id").fetchall()
