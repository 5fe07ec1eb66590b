"""The most that memory grows by: at both sides of a 200 MB document from one process to another (G8: the content is
streamed, so its size must not matter), then in the commands that copy the sender's node and restore it, and at the start of
the demonstration. In: nothing. Out: for each the idle memory and the peak above it. All of them are limits."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, STDOUT
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import machine, pair
from bench.amounts import number
from bench.machine import MB

SMALL = 10_000
LIMIT = 100 * MB
# A passphrase is applied with 134 MB (2^17 blocks of 1 KiB), whatever the machine.
LOCK_LIMIT = 150 * MB
SIDES = ("sender", "receiver")


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """Amounts to send."""

    size: int = number(200 * MB, "bytes of the large document", quick=50 * MB)


async def measure(folder: Path, numbers: Numbers) -> dict[str, Any]:
    """Measure all of them; `holds` says whether they stayed within their limits."""
    (small,) = await pair.papers(folder / "papers", SMALL, 1)
    (large,) = await pair.papers(folder / "papers", numbers.size, 1)
    async with pair.opened(folder) as nodes:
        await nodes.send([small], 1)
        resting = await nodes.ask("rest")
        sent = await nodes.send([large], 2, do="watch")
        spent = await nodes.ask("spent")
    idle = {side: resting[side]["resident"] for side in SIDES}
    peak = {side: spent[side]["peak"] for side in SIDES}
    for name, (memory_before, most) in {
        **await _copied(folder),
        "demo": await _demo(folder / "demo"),
    }.items():
        idle[name], peak[name] = memory_before, most
    limits = {name: LIMIT if name in SIDES else LOCK_LIMIT for name in idle}
    return {
        "bytes": numbers.size,
        "seconds": round(max(sent["seconds"]), 2),
        "stalls": sent["stalls"],
        "idle_mb": {name: _mb(size) for name, size in idle.items()},
        "above_idle_mb": {name: _mb(peak[name] - idle[name]) for name in idle},
        "limits_mb": {name: _mb(limit) for name, limit in limits.items()},
        "holds": all(peak[name] - idle[name] <= limit for name, limit in limits.items()),
    }


async def _copied(folder: Path) -> dict[str, tuple[int, int]]:
    """Copy the sender's node and restore the copy into an empty one: idle memory, with the modules loaded, and peak."""
    passphrase, copy = folder / "passphrase", str(folder / "node.backup")
    passphrase.write_text("words that nobody guesses\n", encoding="utf-8")
    memory = {}
    for node, *words in (("sender", "backup", "--to", copy), ("restored", "restore", copy)):
        process = await pair.start(
            *("bench.command", *words, "--passphrase-file", str(passphrase), "--yes"),
            piped=True,
            variables={"GATEWAY_NODE_NAME": "sender", "GATEWAY_NODE_DATA_DIR": str(folder / node)},
        )
        output, _ = await process.communicate()
        if process.returncode:
            raise pair.Broken(f"gateway {words[0]} ended with status {process.returncode}")
        memory_json = json.loads(output)
        memory[words[0]] = memory_json["idle"], memory_json["peak"]
    return memory


async def _demo(folder: Path) -> tuple[int, int]:
    """Start the demonstration; return its memory when it is ready, and its peak until then."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "--lang", "en", "demo", "--port", "0", "--keep", str(folder)),
        stdout=PIPE,
        stderr=STDOUT,
    )
    try:
        assert process.stdout is not None
        async for line in process.stdout:
            if line.startswith(b"Ready."):
                return machine.status("VmRSS", process.pid), machine.status("VmHWM", process.pid)
        raise pair.Broken(f"the demonstration ended with status {await process.wait()}")
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


def _mb(size: int) -> float:
    return round(size / MB, 1)
