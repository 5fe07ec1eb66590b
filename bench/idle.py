"""Measures the cost of an idle node: a one-agency node on SQLite, started with `gateway serve` as an administrator
starts it, pages on. In: how long it is left alone and then watched. Out: its CPU until `/readyz` said yes, its memory,
and its work while it was watched."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from aiohttp import ClientError, ClientSession

from bench import machine, stage
from bench.amounts import number
from gateway.settings import load
from tests.services.process import free_ports

MOST_SHARE, MOST_MB, MOST_START_S = 0.003, 136.0, 1.3
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_LOOK_S = 0.1
_PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """Work of a process since it began."""

    cpu_s: float
    switches: int
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """Durations."""

    settle_s: float = number(60.0, "seconds that the node is left alone", quick=10.0)
    watch_s: float = number(60.0, "seconds that it is watched then", quick=20.0)


async def measure(folder: Path, numbers: Numbers) -> dict[str, Any]:
    """Measure one node alone on its axis; `holds`: it stayed within the limits of memory and idleness."""
    environment = {
        "GATEWAY_NODE_NAME": "idle",
        "GATEWAY_NODE_DATA_DIR": str(folder / "idle"),
        "GATEWAY_AXIS_FOLDER": str(folder / "axis"),
        "GATEWAY_API_PORT": str(free_ports(1)[0]),
    }
    await stage.prepare_one(load(None, environment), (stage.SENDER, stage.RECEIVER))
    environment |= {"MALLOC_ARENA_MAX": "1", **await _compiled(folder / "compiled")}  # as its unit has it
    async with _served(environment) as (pid, ready):
        at_ready = machine.status("VmRSS", pid)
        await asyncio.sleep(numbers.settle_s)
        spent_before = spent(pid)
        await asyncio.sleep(numbers.watch_s)
        spent_after, memory = spent(pid), machine.status("VmRSS", pid)
        threads = len(list(Path(f"/proc/{pid}/task").iterdir()))
    span = spent_after.at - spent_before.at
    share = (spent_after.cpu_s - spent_before.cpu_s) / span
    mb = round(memory / machine.MB, 1)
    return {
        "start_cpu_s": round(ready.cpu_s, 2),
        "ready_mb": round(at_ready / machine.MB, 1),
        "settle_s": numbers.settle_s,
        "watch_s": round(span, 1),
        "share": round(share, 5),
        "switches_per_second": round((spent_after.switches - spent_before.switches) / span, 1),
        "idle_mb": mb,
        "threads": threads,
        "limits": {"share": MOST_SHARE, "mb": MOST_MB, "start_cpu_s": MOST_START_S},
        "holds": share <= MOST_SHARE and mb <= MOST_MB,
    }


async def _compiled(folder: Path) -> Mapping[str, str]:
    """Compile the program's modules as an installer does; return the variables that lead a process to them."""
    variables = {"PYTHONPYCACHEPREFIX": str(folder), "PYTHONDONTWRITEBYTECODE": ""}
    loaded = (
        *("gateway.__main__", "gateway.cli.serve", "gateway.cli.applications", "gateway.bootstrap.node"),
        *("gateway_office.bootstrap.office", "gateway.program", "gateway.ops.metrics"),
        *("aiosqlite", "pydantic.dataclasses"),
    )
    words = (sys.executable, "-c", f"import {', '.join(loaded)}")
    process = await asyncio.create_subprocess_exec(*words, env=os.environ | variables)
    assert await process.wait() == 0
    return variables


def spent(pid: int) -> Spent:
    """Return the work of all threads of a process and of its ended children; ticks of 10 ms, by the kernel's count."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    switches = 0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        for line in (thread / "status").read_text().splitlines():
            if "ctxt_switches" in line:
                switches += int(line.split()[1])
    return Spent(cpu_s=sum(map(int, fields[11:15])) * _TICK_S, switches=switches, at=monotonic())


@asynccontextmanager
async def _served(environment: Mapping[str, str]) -> AsyncIterator[tuple[int, Spent]]:
    """Run `gateway serve` with these settings, and yield its pid and its work until it was ready."""
    node = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway",
        "serve",
        env=os.environ | environment,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(_PATIENCE_S), ClientSession() as session:
            url = f"http://127.0.0.1:{environment['GATEWAY_API_PORT']}/readyz"
            while not await _is_ready(session, url):  # noqa: ASYNC110 - a closed port cannot notify us
                await asyncio.sleep(_LOOK_S)
        yield node.pid, spent(node.pid)
    finally:
        if node.returncode is None:
            node.terminate()
        await node.wait()


async def _is_ready(session: ClientSession, url: str) -> bool:
    try:
        async with session.get(url) as answer:
            return answer.status == 200
    except ClientError:
        return False
