"""One node in a process of its own, driven by its parent: one JSON object a line in, one out. `send` sends a paper and
answers when the 01 is back, `watch` does so under a heartbeat; `rest` starts the count of the memory's peak; `spent`
says CPU seconds and memory so far. The end of the input stops it. `pair` starts it: python -m bench.side FOLDER NODE."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from time import perf_counter, process_time

from bench import heartbeat, machine, stage, traffic
from gateway.bootstrap import Node

Answer = dict[str, object]


async def serve(folder: Path, name: str) -> None:
    """Answers until the input ends."""
    async with stage.opened(folder, name) as node:
        _say({"ready": True})
        while line := await asyncio.to_thread(sys.stdin.readline):
            _say(await _done(node, json.loads(line)))


async def _done(node: Node, asked: dict[str, str]) -> Answer:
    match asked["do"]:
        case "send":
            return {"seconds": await _send(node, Path(asked["paper"]), asked["number"])}
        case "watch":
            async with heartbeat.watched() as stalls:
                seconds = await _send(node, Path(asked["paper"]), asked["number"])
            return {"seconds": seconds, "stalls": stalls.as_json()}
        case "rest":
            machine.forget_peak()
            return _spent()
        case _:
            return _spent()


async def _send(node: Node, paper: Path, number: str) -> float:
    scope = await traffic.scope_of(node)
    begun = perf_counter()
    document = await traffic.send(node, scope, paper, number)
    await traffic.answered(node, scope, document)
    return perf_counter() - begun


def _spent() -> Answer:
    return {"cpu": process_time(), "resident": machine.resident(), "peak": machine.peak()}


def _say(answer: Answer) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), sys.argv[2]))
