"""Measures what a document takes at each side: `python -m bench.rows [--documents N] [--server]`. In: so many documents of
100 KB, whose content is in files, there and back with their 01. Out: kilobytes and rows of a document in the database of
the sender and of the receiver, and kilobytes that its night adds to a folder of incremental backups, without its content;
on SQLite, and with `--server` on a PostgreSQL of our own. `gateway capacity` reckons with these."""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from bench import counts, pair, stage

SIZE, WARM, AT_ONCE, SETTLE_S = 100_000, 32, 16, 20
CONTENT = SIZE * 4 / 3  # an envelope has it in base64
SIDES = ("sender", "receiver")
Size = tuple[int, int]  # bytes and rows


async def size_of_file(folder: Path) -> Size:
    with closing(sqlite3.connect(next(folder.rglob("gateway.db")))) as database:
        ((pages,),), ((page_size,),) = (
            database.execute("PRAGMA page_count"),
            database.execute("PRAGMA page_size"),
        )
        names = database.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE '%VIRTUAL%'"
        )
        rows = sum(database.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for (name,) in [*names])  # noqa: S608
    return pages * page_size, rows


async def size_on_server(url: str) -> Size:
    connection = await asyncpg.connect(url)
    try:
        names = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        rows = [await connection.fetchval(f'SELECT count(*) FROM "{name}"') for (name,) in names]  # noqa: S608
        await connection.execute("VACUUM")
        return await connection.fetchval("SELECT pg_database_size(current_database())"), sum(rows)
    finally:
        await connection.close()


async def copied(folder: Path, side: str, url: str) -> int:
    """Copy a node into its folder of backups; return the bytes that the folder has then."""
    passphrase, target = folder / "passphrase", folder / f"backups-{side}"
    passphrase.write_text("words that nobody guesses\n", encoding="utf-8")
    variables = {"GATEWAY_NODE_NAME": side, "GATEWAY_NODE_DATA_DIR": str(folder / side)}
    process = await pair.start(
        *("bench.command", "backup", "--incremental", "--to", str(target)),
        *("--passphrase-file", str(passphrase), "--yes"),
        piped=True,
        variables=variables | ({"GATEWAY_DATABASE_URL": url} if url else {}),
    )
    await process.communicate()
    if process.returncode:
        raise pair.Broken(f"gateway backup ended with status {process.returncode}")
    return sum(file.stat().st_size for file in target.rglob("*") if file.is_file())


async def measure(folder: Path, documents: int, server: str = "") -> dict[str, dict[str, float]]:
    """Send the documents between two nodes, and return the growth of both for one of them."""
    urls = dict.fromkeys(SIDES, "")
    look: dict[str, Callable[[], Awaitable[Size]]] = {
        side: partial(size_of_file, folder / side) for side in SIDES
    }
    for side in SIDES if server else ():
        administrator = await asyncpg.connect(server)
        await administrator.execute(f'CREATE DATABASE "{side}"')
        await administrator.close()
        own = urlsplit(server)._replace(path=f"/{side}").geturl()
        urls[side] = own.replace("postgresql://", "postgresql+asyncpg://")
        stage.more_settings(folder, side).write_text(json.dumps({"GATEWAY_DATABASE_URL": urls[side]}))
        look[side] = partial(size_on_server, own)

    async def sizes() -> dict[str, tuple[int, int, int]]:
        await asyncio.sleep(SETTLE_S)
        return {side: (*await size(), await copied(folder, side, urls[side])) for side, size in look.items()}

    papers = await pair.papers(folder / "papers", SIZE, documents + WARM)
    async with pair.opened(folder) as nodes:
        await nodes.send(papers[:WARM], 1, AT_ONCE)
        at_start = await sizes()
        await nodes.send(papers[WARM:], WARM + 1, AT_ONCE)
        at_end = await sizes()
    grown = {
        side: [(end - start) / documents for start, end in zip(at_start[side], at_end[side], strict=True)]
        for side in SIDES
    }
    return {
        side: {
            "kb": round(size / 1_000, 1),
            "rows": round(rows, 1),
            "kept_kb": round((copy - CONTENT) / 1_000, 1),
        }
        for side, (size, rows, copy) in grown.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.rows", description=__doc__)
    parser.add_argument("--documents", type=int, default=400, help="how many (%(default)s)")
    parser.add_argument("--server", action="store_true", help="on a PostgreSQL of our own")
    words = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gateway-bench-")))
        server = stack.enter_context(counts.opened_server("", folder)) if words.server else ""
        print(json.dumps(asyncio.run(measure(folder, words.documents, server)), indent=1))


if __name__ == "__main__":
    main()
