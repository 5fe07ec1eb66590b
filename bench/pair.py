"""Two nodes as two processes that share one embedded axis: the sender's and the receiver's costs can be told apart. In: a
folder, and the folder of another version of the product. Out: a `Pair` to send through and to ask. Also makes papers in a
process that ends, so that its memory is given back before anything is measured."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bench import stage

_ROOT = Path(__file__).resolve().parent.parent


class Broken(Exception):
    """A process of the bench ended before its work did; it has said why on stderr."""


@dataclass(frozen=True, slots=True)
class Side:
    """One node's process."""

    process: Process

    async def ask(self, do: str, **words: object) -> dict[str, Any]:
        """Ask one question and return its answer."""
        await self.tell(do, **words)
        return await self.read_answer()

    async def tell(self, do: str, **words: object) -> None:
        """Send a command that has no answer."""
        if self.process.stdin is not None:
            self.process.stdin.write(json.dumps({"do": do, **words}).encode() + b"\n")
            await self.process.stdin.drain()

    async def read_answer(self) -> dict[str, Any]:
        line = await self.process.stdout.readline() if self.process.stdout is not None else b""
        if not line:
            raise Broken(f"the node's process ended with status {await self.process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def stop(self) -> None:
        if self.process.stdin is not None:
            self.process.stdin.close()
        await self.process.wait()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A sender's node and a receiver's."""

    sender: Side
    receiver: Side

    async def send(
        self, papers: Sequence[Path], first: int, at_once: int = 1, do: str = "send"
    ) -> dict[str, Any]:
        """Send the papers and wait until every 01 is back at the sender; documents are numbered from `first`."""
        return await self.sender.ask(do, papers=list(map(str, papers)), first=first, at_once=at_once)

    async def ask(self, do: str) -> dict[str, dict[str, Any]]:
        """Ask both the same question."""
        return {"sender": await self.sender.ask(do), "receiver": await self.receiver.ask(do)}


@asynccontextmanager
async def opened(folder: Path, root: Path | None = None) -> AsyncIterator[Pair]:
    """Open both nodes with their workers; stopped at the end whatever happened. `root`: of another version."""
    await prepared(folder, {"sender": [stage.SENDER], "receiver": [stage.RECEIVER]}, root)
    async with at_work(folder, "sender", root) as sender, at_work(folder, "receiver", root) as receiver:
        yield Pair(sender=sender, receiver=receiver)


async def prepared(folder: Path, nodes: Mapping[str, Sequence[str]], root: Path | None = None) -> None:
    """Prepare these nodes, by a process of that version, because it is that version's schema."""
    arguments = [f"{node}={','.join(codes)}" for node, codes in nodes.items()]
    process = await start("bench.stage", str(folder), *arguments, root=root)
    if await process.wait():
        raise Broken("the nodes could not be set up")


@asynccontextmanager
async def at_work(folder: Path, node: str, root: Path | None = None) -> AsyncIterator[Side]:
    """Open that node in a process of its own."""
    side = Side(await start("bench.side", str(folder), node, piped=True, root=root))
    try:
        await side.read_answer()
        yield side
    finally:
        await side.stop()


async def papers(folder: Path, size: int, count: int) -> list[Path]:
    """Write different PDFs of that size, by a process of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    process = await start("bench.papers", str(folder), str(size), str(count))
    if await process.wait():
        raise Broken("the papers could not be made")
    return sorted(folder.glob(f"{size}-*.pdf"))


def environment(root: Path) -> dict[str, str]:
    """Return the environment of a process that imports from there."""
    parts = (root, root / "office", root / "foreign")
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, parts))}


async def start(
    module: str,
    *words: str,
    piped: bool = False,
    root: Path | None = None,
    variables: Mapping[str, str] = MappingProxyType({}),
) -> Process:
    """Start a module as a program; `piped`: its input and output are ours."""
    pipe, at = PIPE if piped else None, root or _ROOT
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *words),
        stdin=pipe,
        stdout=pipe,
        cwd=at,
        env={**environment(at), **variables},
    )
