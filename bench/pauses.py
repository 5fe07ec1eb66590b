"""Measures what an operator sees while the program is exchanged at work: `python -m bench.pauses [--rows N] [--database
sqlite] [--before REVISION] [--now REVISION]`. In: the version before, a database of its schema with so many documents more,
and callers of its API that repeat each document until it is accepted. Out: seconds of `gateway migrate up`, of the longest
time without an accepted document and without an answer to a reader in each phase, and of the locks that the step had; what
came of going back; how many documents were lost or doubled. PostgreSQL with RabbitMQ, or one SQLite file."""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from time import monotonic
from typing import Any

import asyncpg
from aiohttp import ClientSession

from bench import lists_fill, pair, served, version
from bench.mail import Mail
from bench.pair import Broken
from bench.served import Ground, Served
from gateway.clock import SystemClock
from gateway.domain.event import EventKind
from gateway_office.store.store import SqlOfficeStore
from tests.services.process import free_ports

FORMER = "f5ed90a7"  # release 0.2.0
ROLES, CALLERS, END_S, PATIENCE_S = ("web", "worker"), 8, 60.0, 900.0
# Table locks of the migrating session that keep others from writing or from reading too, and waits of those.
_LOCKS = """SELECT c.relname, l.mode FROM pg_locks l JOIN pg_stat_activity a USING (pid) JOIN pg_class c ON c.oid = relation
    WHERE a.application_name = 'gateway migrator' AND l.granted AND c.relkind = 'r' AND c.relname !~ '^pg_'
    AND l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')"""
_WAITS = """SELECT coalesce(max(extract(epoch FROM clock_timestamp() - l.waitstart)), 0)::float8 FROM pg_locks l
    JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted AND a.application_name <> 'gateway migrator'"""


class Processes:
    """The processes of the node, of one version at a time, always on the same ports."""

    def __init__(self, ground: Ground, session: ClientSession) -> None:
        self._ground, self._session, self._ports = ground, session, free_ports(len(ROLES))
        self._stack, self._started = AsyncExitStack(), list[Process]()
        self.url = served.url_of(self._ports[0])

    async def start(self, root: Path | None) -> bool:
        """Start them; return whether the API answers, as it does not where one of them ends."""
        self._started = [
            await self._stack.enter_async_context(served.process(self._ground, port, role, root, END_S))
            for port, role in zip(self._ports, ROLES, strict=True)
        ]
        try:
            await served.until_ready(self._session, self.url, self._started, self._ground.folder)
        except Broken:
            return False
        return True

    async def stop(self) -> None:
        """End them all at once, as `systemctl restart gateway.target` does."""
        for process in self._started:
            if process.returncode is None:
                process.terminate()
        await self._stack.aclose()

    async def exchange(self, root: Path | None) -> str:
        """Exchange them for those of another version; return whether that works on the schema."""
        await self.stop()
        return "works" if await self.start(root) else "does not start"


async def watch_locks(url: str, figures: dict[str, Any]) -> None:
    """Note for how long the migrating session had each lock of a table, and the longest wait of others for a lock."""
    connection, begun = await asyncpg.connect(url), dict[tuple[str, str], float]()
    try:
        while True:
            for name, mode in await connection.fetch(_LOCKS):
                at = begun.setdefault((name, mode), monotonic())
                figures["locks_s"][f"{name} {mode}"] = round(monotonic() - at, 2)
            figures["longest_wait_s"] = round(
                max(figures["longest_wait_s"], await connection.fetchval(_WAITS)), 2
            )
            await asyncio.sleep(0.02)
    finally:
        await connection.close()


async def exchange(ground: Ground, former: Path | None, now: Path | None, settle_s: float) -> dict[str, Any]:
    """Exchange the version before for the present one while mail flows, go back where that can be, and count."""
    result: dict[str, Any] = {"locks_s": {}, "longest_wait_s": 0.0}
    spans = dict[str, tuple[float, float, str]]()
    async with AsyncExitStack() as stack:
        store = SqlOfficeStore(ground.url, SystemClock())
        stack.push_async_callback(store.close)
        session = await stack.enter_async_context(served.new_session())
        processes = Processes(ground, session)
        stack.push_async_callback(processes.stop)
        await processes.start(former)
        node = Served(
            store=store,
            session=session,
            key=ground.key,
            urls=[processes.url],
            processes=[],
            below=ground.below,
        )
        mail = Mail(node)
        async with asyncio.TaskGroup() as group:
            for work in (*[mail.send] * CALLERS, mail.read):
                group.create_task(work())
            await asyncio.sleep(settle_s)
            acts: dict[str, Callable[[], Awaitable[str]]] = {
                "at work": lambda: asyncio.sleep(settle_s, "works"),
                "schema": lambda: migrate(ground, now, result),
                "restart": lambda: processes.exchange(now),
                "back": lambda: processes.exchange(former),
                "forward again": lambda: processes.exchange(now),
            }
            for name, act in acts.items():
                begun = monotonic()
                outcome = await act()
                spans[name] = (begun, monotonic(), outcome)
                await asyncio.sleep(settle_s)
            mail.end()
        await node.until_answered(len(mail.ids), PATIENCE_S)
        receipts, sent = await node.receipts(), len(mail.ids)
        # An incoming document that is held waits for a person, and was admitted all the same.
        arrived = [await node.count(kind) for kind in (EventKind.INBOX_RECEIVED, EventKind.INBOX_HELD)]
        counts = [await node.count(EventKind.MESSAGE_ACCEPTED), sum(arrived)]
    phases = {
        name: {"s": round(b - a, 2), "outcome": outcome, **mail.longest(a, b)}
        for name, (a, b, outcome) in spans.items()
    }
    lost = sent - min(*counts, len(mail.ids & receipts.keys()))
    doubled = max(*counts, sum(receipts.values())) - sent
    return {
        **result,
        "sent": sent,
        "lost": lost,
        "doubled": doubled,
        "refused": mail.refused,
        "phases": phases,
    }


async def migrate(ground: Ground, root: Path | None, result: dict[str, Any]) -> str:
    """Widen the schema by that version's command, and watch its locks."""
    watching = asyncio.create_task(watch_locks(ground.url, result)) if ground.below else None
    process = await pair.start("gateway", "migrate", "up", piped=True, root=root, variables=ground.env)
    output, _ = await process.communicate()
    if watching is not None:
        watching.cancel()
        await asyncio.wait({watching})
    if process.returncode:
        raise Broken(f"the schema was not widened: {output.decode()}")
    return "works"


async def measure(folder: Path, words: argparse.Namespace) -> dict[str, Any]:
    """Set the node up with the version before, fill its database, and exchange the version."""
    former = await version.root(words.before, folder / "before")
    now = await version.root(words.now, folder / "now") if words.now else None
    async with served.prepared(folder, servers_below=words.database == "postgresql", root=former) as ground:
        begun = monotonic()
        await lists_fill.fill_at(ground.url, words.rows, words.tables)
        if ground.below is not None:
            await ground.below.tell("VACUUM ANALYZE", "node")
        fill_s = round(monotonic() - begun, 1)
        result = await exchange(ground, former, now, words.settle)
    return {"database": words.database, "rows": words.rows, "fill_s": fill_s, **result}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.pauses", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="documents in the lists (%(default)s)")
    parser.add_argument("--tables", nargs="*", default=(), help="copy rows of these only; else of all")
    parser.add_argument("--database", choices=("postgresql", "sqlite"), default="postgresql")
    parser.add_argument("--before", default=FORMER, help="a revision or a folder (%(default)s)")
    parser.add_argument("--now", default="", help="a revision or a folder; without it this tree")
    parser.add_argument("--settle", type=float, default=10.0, help="seconds between two acts (%(default)s)")
    parser.add_argument("--folder", type=Path, help="where the scratch folder goes")
    words = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="gateway-bench-", dir=words.folder) as name:
        folder = Path(name)
        folder.chmod(0o755)  # the database runs as a user of its own
        print(json.dumps(asyncio.run(measure(folder, words)), indent=1))


if __name__ == "__main__":
    main()
