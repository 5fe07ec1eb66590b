"""A node in a process of its own on the two axes of a province, for tests that kill it. In: a folder with an `orders` file
beside the node's own, the ports of both hubs, how far its clock is ahead. Sends the orders that were not sent yet, says so
on stdout, and works until it is killed."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import datetime, timedelta
from pathlib import Path

from gateway.bootstrap.node import open_node
from gateway.clock import SystemClock
from gateway.settings import Settings
from gateway_labs.demo import stage
from tests.support.node import Town
from tests.support.town.axes import HOSTED, SYSTEMS, both

READY = "at work"


class ClockAhead(SystemClock):
    def __init__(self, ahead_s: float) -> None:
        self._ahead = timedelta(seconds=ahead_s)

    def now(self) -> datetime:
        return super().now() + self._ahead


def settings_of(folder: Path, name: str, ports: dict[str, int]) -> Settings:
    system = dict(zip(HOSTED, SYSTEMS, strict=True))[name]
    return both(folder, HOSTED[name], system, ports, poll_s=0.5)(stage.settings_for(folder / name))


async def main(folder: Path, name: str, ports: dict[str, int], ahead_s: float) -> None:
    async with open_node(settings_of(folder, name, ports), ClockAhead(ahead_s)) as node:
        town = Town(node=node, clock=node.clock)  # type: ignore[arg-type]  # a clock that no test moves
        for number, sender, to in json.loads((folder / f"{name}.orders.json").read_text("utf-8")):
            # Asked again after each kill: the same document is accepted once.
            await town.send(number, *to, sender=sender, external_id=f"order-{number}")
        print(READY, flush=True)
        await node.run_workers(asyncio.Event())


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3]), float(sys.argv[4])))
