"""Measures a folder of incremental backups over many nights: `python -m bench.nights [--nights N] [--mb N] [--size BYTES]`.
In: so many megabytes of documents each day, there and back with their 01. Out: of the receiver, what each night added to
the folder beside the content that came that day; at the end the folder, the content and the database in bytes, and seconds
and memory of a sample, of a drill, and of bringing back all content beside a database that stayed."""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
import tempfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from time import monotonic
from types import MappingProxyType
from typing import Any

from bench import pair, stage
from bench.machine import MB

SIDE, AT_ONCE, SETTLE_S = "receiver", 8, 5
_MARK, _DIGEST = ".store", 64


def bytes_in(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def content_in(node: Path) -> int:
    """Return the bytes of the content that is named by its digest: not what is being written or decoded."""
    files = [file for file in (node / "content").rglob("*") if len(file.name) == _DIGEST and file.is_file()]
    return sum(file.stat().st_size for file in files)


def database_bytes(node: Path) -> int:
    """Return the size of the database without its log, which is small, and without pages that are free."""
    with closing(sqlite3.connect(next(node.rglob("gateway.db")))) as database:
        ((pages,),), ((free,),), ((size,),) = (
            database.execute(f"PRAGMA {name}") for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)


class Nights:
    """A node's folder of backups, and the commands on it, each in a process of its own; `more`: settings of the node."""

    def __init__(
        self, folder: Path, side: str = SIDE, more: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self.node, self.target, self._passphrase = folder / side, folder / "backups", folder / "passphrase"
        self.variables = {"GATEWAY_NODE_NAME": side, "GATEWAY_NODE_DATA_DIR": str(self.node), **more}
        self._passphrase.write_text("words that nobody guesses\n", encoding="utf-8")

    async def type_line(self, *words: str) -> dict[str, float]:
        """Type a command; return its seconds and its memory above what its modules take, in megabytes."""
        secret = () if words[0] == "restored" else ("--passphrase-file", str(self._passphrase))
        started = monotonic()
        process = await pair.start(
            *("bench.command", *words, *secret, "--yes"), piped=True, variables=self.variables
        )
        output, _ = await process.communicate()
        if process.returncode:
            raise pair.Broken(f"gateway {words[0]} ended with status {process.returncode}")
        memory = json.loads(output.splitlines()[-1])
        return {
            "s": round(monotonic() - started, 1),
            "mb_above_idle": round((memory["peak"] - memory["idle"]) / MB, 1),
        }

    async def back_up(self) -> dict[str, float]:
        """Make a night's backup; return its costs, and what it added to the folder."""
        at_start = bytes_in(self.target) if self.target.exists() else 0
        costs = await self.type_line("backup", "--incremental", "--to", str(self.target))
        return {"added": bytes_in(self.target) - at_start, **costs}


async def measure(folder: Path, nights: int, day_bytes: int, size: int) -> dict[str, Any]:
    """Let the days pass, and return the costs of each night and of the folder at the end."""
    receiver, a_day = Nights(folder), -(-day_bytes // size)
    # No document is handled here, and beyond this budget of a sender more would wait at the axis.
    stage.more_settings(folder, SIDE).write_text(json.dumps({"GATEWAY_LIMITS_PARTNER_MB": "1000000"}))
    costs = list[dict[str, float]]()
    async with pair.opened(folder) as nodes:
        for night in range(nights):
            papers = await pair.papers(folder / f"papers-{night}", size, a_day)
            content_before = content_in(receiver.node)
            await nodes.send(papers, 1 + night * a_day, AT_ONCE)
            for paper in papers:
                paper.unlink()
            await asyncio.sleep(SETTLE_S)
            costs.append(await receiver.back_up())
            costs[-1]["content"] = content_in(receiver.node) - content_before
            costs[-1]["times_content"] = round(costs[-1]["added"] / costs[-1]["content"], 3)
            print(json.dumps({"night": night + 1, **costs[-1]}), flush=True)
    content, rows, folder_bytes = (
        content_in(receiver.node),
        database_bytes(receiver.node),
        bytes_in(receiver.target),
    )
    result: dict[str, Any] = {
        "content": content,
        "rows": rows,
        "folder": folder_bytes,
        "folder_without_rows": round((folder_bytes - rows) / content, 3),
    }
    result["sample"] = await receiver.type_line("restore", "--drill", "--sample", "2")
    result["drill"] = await receiver.type_line("restore", "--drill", "--scratch", str(folder))
    for file in (receiver.node / "content").rglob("*"):
        if file.is_file() and file.name != _MARK:
            file.unlink()
    (last,) = sorted(receiver.target.glob("*.snapshot"))[-1:]
    result["files"] = await receiver.type_line("restore", str(last), "--files")
    result["content_again"] = content_in(receiver.node)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.nights", description=__doc__)
    parser.add_argument("--nights", type=int, default=30, help="how many (%(default)s)")
    parser.add_argument("--mb", type=int, default=200, help="megabytes that come in each day (%(default)s)")
    parser.add_argument("--size", type=int, default=1_000_000, help="bytes of a document (%(default)s)")
    words = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gateway-bench-") as name:
        result = asyncio.run(measure(Path(name), words.nights, words.mb * 1_000_000, words.size))
        print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
