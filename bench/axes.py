"""CPU and time of one small document there and back with its 01, over each kind of axis, in turns of one run. Each side is
a node in a process of its own, and what lies between them in another, so the CPU is the nodes' alone: that of their
processes. RabbitMQ only where it is installed. Ratios are to the embedded axis of the same run."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from bench import pair, servers, stage
from bench.amounts import number
from bench.pair import Pair
from gateway_labs.demo.axes_between import service
from gateway_labs.simulators.settings import HubAgency
from tests.services import rabbit

KINDS = ("embedded", "amqp", "lgsp", "vxp")
HOSTS = {"sender": stage.SENDER, "receiver": stage.RECEIVER}
_RATE = "1000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """Amounts to send, and the axes."""

    kinds: tuple[str, ...] = number(KINDS, "kinds of axes, the embedded one first", read=str)
    size: int = number(10_000, "bytes of a document")
    documents: int = number(32, "documents in each turn", quick=8)
    at_once: int = number(8, "documents under way at once", quick=4)
    turns: int = number(3, "in how many turns over all axes", quick=2)
    look_s: float = number(0.2, "how often a foreign axis is asked for what waits; a node asks every 60 s")


@dataclass(slots=True)
class _Spent:
    """CPU of a document on each side over one axis, and its seconds, turn by turn."""

    cpu: dict[str, list[float]] = field(default_factory=lambda: {side: [] for side in HOSTS})
    seconds: list[float] = field(default_factory=list)


async def measure(folder: Path, numbers: Numbers) -> dict[str, Any]:
    """Measure all axes in turns. One turn more than counts: the first warms up."""
    kinds = [k for k in numbers.kinds if k != "amqp" or rabbit.installed()]
    spent = {kind: _Spent() for kind in kinds}
    papers = await pair.papers(folder / "papers", numbers.size, numbers.documents * (numbers.turns + 1))
    async with AsyncExitStack() as stack:
        pairs = {}
        for kind in kinds:
            at = folder / kind
            at.mkdir()
            await stack.enter_async_context(_between(kind, at, numbers.look_s))
            pairs[kind] = await stack.enter_async_context(pair.opened(at))
        for turn in range(numbers.turns + 1):
            first = turn * numbers.documents
            for kind, nodes in pairs.items():
                seconds, cpu = await _turn(
                    nodes, papers[first : first + numbers.documents], first + 1, numbers.at_once
                )
                if turn:
                    spent[kind].seconds.append(seconds)
                    for side in HOSTS:
                        spent[kind].cpu[side].append(cpu[side])
    return {
        "bytes": numbers.size,
        "at_once": numbers.at_once,
        "documents": numbers.documents * numbers.turns,
        "look_s": numbers.look_s,
        "missing": [k for k in numbers.kinds if k not in kinds],
        "axes": _rows(spent),
    }


async def _turn(nodes: Pair, papers: list[Path], first: int, at_once: int) -> tuple[float, dict[str, float]]:
    """Return the median seconds of a document, and CPU seconds of each side for one."""
    spent_before = await nodes.ask("spent")
    answer = await nodes.send(papers, first, at_once)
    spent_after = await nodes.ask("spent")
    cpu = {side: (spent_after[side]["cpu"] - spent_before[side]["cpu"]) / len(papers) for side in HOSTS}
    return median(answer["seconds"]), cpu


def _rows(spent: Mapping[str, _Spent]) -> dict[str, dict[str, float]]:
    base: tuple[float, float] | None = None
    rows = {}
    for kind, row_spent in spent.items():
        both = median(map(sum, zip(*row_spent.cpu.values(), strict=True)))
        seconds = median(row_spent.seconds)
        base = base or (both, seconds)
        rows[kind] = {
            "cpu_ms": round(both * 1000, 1),
            **{
                f"{side}_cpu_ms": round(median(values_of_side) * 1000, 1)
                for side, values_of_side in row_spent.cpu.items()
            },
            "seconds": round(seconds, 3),
            "cpu_ratio": round(both / base[0], 2),
            "seconds_ratio": round(seconds / base[1], 2),
        }
    return rows


@asynccontextmanager
async def _between(kind: str, folder: Path, look_s: float) -> AsyncIterator[None]:
    """Run the carrier of their packets, and lead the settings of both nodes there."""
    async with AsyncExitStack() as stack:
        settings_by_node: Mapping[str, Mapping[str, str]] = {}
        if kind == "amqp":
            settings_by_node = await stack.enter_async_context(_broker(folder))
        elif kind != "embedded":
            settings_by_node = await stack.enter_async_context(_service(kind, folder, look_s))
        for node, more in settings_by_node.items():
            file = stage.more_settings(folder, node)
            file.touch(mode=0o600)
            file.write_text(json.dumps(more), encoding="utf-8")
        yield


@asynccontextmanager
async def _service(kind: str, folder: Path, look_s: float) -> AsyncIterator[dict[str, dict[str, str]]]:
    """Run a simulator in this process."""
    agencies = {node: HubAgency(code=code, name=code) for node, code in HOSTS.items()}
    async with service(kind, folder / "hub", agencies) as started:
        settings_by_node = {}
        for node, system in started.systems.items():
            words = {
                "endpoint": started.url,
                "system": system.id,
                "secret": system.secret,
                "poll_s": str(look_s),
                "rate_per_s": _RATE,
            }
            if system.login is not None:
                words |= {
                    "username": system.login.username,
                    "password": system.login.password,
                    "application": system.login.application,
                }
            settings_by_node[node] = {
                "GATEWAY_AXIS_KIND": kind,
                **{f"GATEWAY_{kind}_{name}".upper(): word for name, word in words.items()},
            }
        yield settings_by_node


@asynccontextmanager
async def _broker(folder: Path) -> AsyncIterator[dict[str, dict[str, str]]]:
    """Run a RabbitMQ of the bench's own."""
    cluster = await asyncio.to_thread(rabbit.start, folder / "rabbit")
    try:
        hosts = {node: (code,) for node, code in HOSTS.items()}
        topology = await asyncio.to_thread(servers.topology_of, cluster, hosts)
        yield {
            node: {
                "GATEWAY_NODE_NAME": topology.name(node),
                "GATEWAY_AXIS_KIND": "amqp",
                "GATEWAY_AMQP_SERVERS": f"amqp://127.0.0.1:{cluster.nodes[0].amqp_port}",
                "GATEWAY_AMQP_VHOST": topology.broker.vhost,
                "GATEWAY_AMQP_PASSWORD": topology.passwords[topology.name(node)],
            }
            for node in HOSTS
        }
    finally:
        await asyncio.to_thread(cluster.stop)
