"""One node in a process of its own, driven by its parent: one JSON object a line in, one out. `send` sends papers, so many
at once, and answers when every 01 is back; `watch` does so under a heartbeat, `still` beats until the next line, and sends
nothing; `settle` waits until nothing is left to number or to count; `rest` restarts the memory's peak; `spent` returns CPU
seconds and memory so far. The end of the input stops it. `pair` starts it: python -m bench.side FOLDER NODE."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from bench import heartbeat, machine, stage, traffic
from gateway.cli.serve import freeze_loaded
from gateway_office.bootstrap.office import Office

Answer = dict[str, object]


async def serve(folder: Path, name: str) -> None:
    """Answer until the input ends."""
    async with stage.opened(folder, name) as node:
        freeze_loaded()  # as every process that serves does
        _say({"ready": True})
        while line := await asyncio.to_thread(sys.stdin.readline):
            _say(await _answer(node, json.loads(line)))


async def _answer(node: Office, request: dict[str, Any]) -> Answer:
    match request["do"]:
        case "send":
            return {"seconds": await _send(node, request)}
        case "watch":
            async with heartbeat.measure_stalls() as stalls:
                seconds = await _send(node, request)
            return {"seconds": seconds, "stalls": stalls.as_json()}
        case "still":
            async with heartbeat.measure_stalls() as stalls:
                await asyncio.to_thread(sys.stdin.readline)
            return {"stalls": stalls.as_json()}
        case "settle":
            await traffic.settled(node)
            return {}
        case "rest":
            machine.forget_peak()
            return _spent()
        case _:
            return _spent()


async def _send(node: Office, request: dict[str, Any]) -> list[float]:
    papers = [Path(paper) for paper in request["papers"]]
    every_s = request.get("every_s", 0.0)
    return await traffic.there_and_back(node, papers, request["first"], request["at_once"], every_s)


def _spent() -> Answer:
    return {"cpu": machine.own_cpu(), "resident": machine.resident(), "peak": machine.peak()}


def _say(answer: Answer) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), sys.argv[2]))
