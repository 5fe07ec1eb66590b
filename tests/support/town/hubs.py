"""Simulated axes of others work in this process on a clock that the test owns, or in a process of their own; this module
also opens the axis of a node alone on one of them. `vxp` and `lgsp` say which systems are on each and what a node's
settings are."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from gateway.bootstrap.axis import open_axis
from gateway.ports.services import Clock
from gateway.settings import load
from gateway_foreign.rest.axis import RestAxis
from gateway_labs.simulators import server
from gateway_labs.simulators.hub import Hub
from gateway_labs.simulators.lgsp import Lgsp
from gateway_labs.simulators.settings import (
    FaultOptions,
    Faults,
    HubAgency,
    HubLogin,
    HubOptions,
    HubSystem,
    SimulatorSettings,
)
from gateway_labs.simulators.vxp import Vxp

ROOT = Path(__file__).parents[3]
Now = Callable[[], datetime]


@dataclass(frozen=True, kw_only=True)
class Simulated:
    """A simulator at work: its address, its hub to look into, its faults to change."""

    url: str
    hub: Hub
    faults: Faults
    settings: SimulatorSettings


def system(id: str, codes: Sequence[str], secret: str = "", login: HubLogin | None = None) -> HubSystem:
    """Describe a system that is on a hub for these agencies."""
    agencies = tuple(HubAgency(code=code, name=f"Cơ quan {code}") for code in codes)
    return HubSystem(id=id, secret=secret or f"secret of {id}", agencies=agencies, login=login)


@asynccontextmanager
async def at_work(
    dialect: type[Vxp] | type[Lgsp],
    folder: Path,
    systems: Sequence[HubSystem],
    *,
    hub: HubOptions | None = None,
    faults: FaultOptions | None = None,
    now: Now | None = None,
) -> AsyncIterator[Simulated]:
    """Run a simulated hub; on the same folder it keeps what an earlier run left there."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = SimulatorSettings(
        systems=tuple(systems), hub=hub or HubOptions(code="TRUC.W00"), faults=faults or FaultOptions()
    )
    open_hub, wrong = Hub(folder, settings, now), Faults(settings.faults)
    try:
        async with server.RunningServer(
            dialect(open_hub, settings, wrong).application(), "127.0.0.1", 0
        ) as url:
            yield Simulated(url=url, hub=open_hub, faults=wrong, settings=settings)
    finally:
        open_hub.close()


@asynccontextmanager
async def axis_alone(
    kind: str, folder: Path, words: Mapping[str, str], clock: Clock | None = None
) -> AsyncIterator[RestAxis]:
    """Open the axis of a node, as its settings do; `words` are those of its kind, as the environment says them."""
    quick = {f"{kind}_poll_s": "3600", f"{kind}_rate_per_s": "1000"}
    environment = {"node_data_dir": str(folder), "axis_kind": kind, **quick, **words}
    settings = load(None, {f"GATEWAY_{name.upper()}": word for name, word in environment.items()})
    async with open_axis(settings, clock) if clock else open_axis(settings) as axis:
        assert isinstance(axis, RestAxis)
        yield axis


@contextmanager
def started(kind: str, folder: Path, systems: str, port: int) -> Iterator[str]:
    """Run `gateway simulate` in a process of its own, which is killed in the end; yield its address."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "systems.toml"
    file.write_text(systems, encoding="utf-8")
    command = [sys.executable, "-m", "gateway", "--lang", "en", "simulate", kind]
    command += ["--listen", f"127.0.0.1:{port}", "--systems", str(file)]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        address = re.search(r"http://[0-9.]+:[0-9]+", line)
        assert address, line + process.stderr.read()
        yield address.group()
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
