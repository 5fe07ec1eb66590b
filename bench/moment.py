"""Measures a restore to a moment on PostgreSQL: `python -m bench.moment [--gb N] [--size BYTES]`. In: so many gigabytes of
documents there and back on one node, with a base copy when half is there, the server's log in an archive, and a folder of
incremental backups. Out: seconds and memory of both backups, and of the restore to a moment between them, after the loss of
database and content: the server's recovery, the files; that the node waits for two people; and that exactly the documents
which were accepted before that moment are there, with all their content."""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import asyncpg

from bench import pair, stage
from bench.nights import Nights, bytes_in, content_in
from tests.services import postgres

NODE, AT_ONCE, SETTLE_S = "node", 8, 3
# Shares of the content: at the base copy, at the first backup, at the moment, at the second backup.
BASE, FIRST, MOMENT, SECOND = 0.5, 0.8, 0.9, 1.0
ARCHIVES = "archive_mode = on\narchive_command = 'cp %p {folder}/archive/%f'\n"
RETURNS = """restore_command = 'cp {folder}/archive/%f %p'
recovery_target_time = '{at}'
recovery_target_action = 'promote'
"""
# Files that nothing refers to any more are in no backup: the node deletes them some time after.
_CONTENT = "SELECT array_agg(DISTINCT digest) FROM blob JOIN blob_ref USING (digest) WHERE body IS NULL"
_DOCUMENTS = "SELECT array_agg(id ORDER BY id) FROM (SELECT id FROM {0}_document) AS ids"


@contextmanager
def archiving(folder: Path) -> Iterator[postgres.Server]:
    """Run a server that gives its log away to a folder beside its data."""
    server = postgres.start(folder)
    server.stop()
    write(server, ARCHIVES.format(folder=server.folder))
    postgres.as_owner(["mkdir", f"{server.folder}/archive"])
    server.start()
    try:
        yield server
    finally:
        server.stop()


def write(server: postgres.Server, lines: str) -> None:
    """Add lines to the server's settings."""
    with (server.folder / "data" / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.write(lines)


async def ask(server: postgres.Server, query: str) -> Any:
    connection = await asyncpg.connect(server.url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


class Moment:
    """A node that grows by shares of its content, and comes back to a moment."""

    def __init__(self, folder: Path, server: postgres.Server, total: int, size: int) -> None:
        more = {"GATEWAY_DATABASE_URL": server.url}
        self._folder, self._server, self._total = folder, server, total
        self._size, self._sent, self._batches = size, 0, 0
        # An envelope is a third larger than its document, and a batch is a twentieth of the content.
        self._batch = max(1, round(0.05 * total / (size * 4 / 3)))
        self.node = Nights(folder, NODE, more)
        settings = {**more, "GATEWAY_LIMITS_PARTNER_MB": "1000000"}
        stage.more_settings(folder, NODE).write_text(json.dumps(settings))

    async def send(self, side: pair.Side, share: float) -> None:
        """Send documents there and back, until there is this share of the content."""
        while content_in(self.node.node) < share * self._total:
            self._batches += 1
            # Another size of each batch makes other bytes of its papers.
            papers = await pair.papers(self._folder / "papers", self._size + self._batches, self._batch)
            words = {"papers": [*map(str, papers)], "first": self._sent + 1, "at_once": AT_ONCE}
            await side.ask("send", **words)
            self._sent += len(papers)
            for paper in papers:
                paper.unlink()

    async def documents(self) -> dict[str, Any]:
        """Return the ids of all documents on both sides."""
        return {side: await ask(self._server, _DOCUMENTS.format(side)) for side in ("outgoing", "incoming")}

    def copy_base(self) -> None:
        words = (f"--pgdata={self._server.folder}/base", "--username=admin", "--host=127.0.0.1")
        postgres.as_owner(["pg_basebackup", *words, f"--port={self._server.port}", "--checkpoint=fast"])

    async def recover(self, at: str) -> float:
        """Put the base copy in the place of the data, and let the server come to that moment; return its seconds."""
        server, data = self._server, self._server.folder / "data"
        await ask(server, "SELECT pg_switch_wal()")
        server.stop()
        shutil.rmtree(data)
        data.with_name("base").rename(data)
        write(server, RETURNS.format(folder=server.folder, at=at))
        postgres.as_owner(["touch", f"{data}/recovery.signal"])
        begun = monotonic()
        await asyncio.to_thread(server.start)
        while await ask(server, "SELECT pg_is_in_recovery() FROM pg_sleep(0.2)"):
            pass
        return round(monotonic() - begun, 1)

    async def is_refused(self) -> bool:
        """Return whether the node does not start."""
        process = await pair.start("gateway", "serve", piped=True, variables=self.node.variables)
        await process.communicate()
        return process.returncode != 0

    async def content_lacks(self) -> int:
        """Count the content in files that the database names and that is not there byte by byte."""
        digests = await ask(self._server, _CONTENT)
        files = {file.name: file for file in (self.node.node / "content").rglob("*") if file.is_file()}
        return await asyncio.to_thread(
            lambda: sum(digest not in files or _digest(files[digest]) != digest for digest in digests)
        )


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


async def measure(folder: Path, total: int, size: int) -> dict[str, Any]:
    """Let the node grow, lose it, and bring it back to the moment."""
    result: dict[str, Any] = {}
    with archiving(folder / "postgres") as server:
        moment = Moment(folder, server, total, size)
        await pair.prepared(folder, {NODE: [stage.SENDER, stage.RECEIVER]})
        async with pair.at_work(folder, NODE) as side:
            await moment.send(side, BASE)
            await asyncio.to_thread(moment.copy_base)
            await moment.send(side, FIRST)
            result["first_backup"] = await moment.node.back_up()
            await moment.send(side, MOMENT)
            await asyncio.sleep(SETTLE_S)
            expected, at = await moment.documents(), await ask(server, "SELECT now()::text")
            await asyncio.sleep(SETTLE_S)
            await moment.send(side, SECOND)
            await asyncio.sleep(SETTLE_S)
            result["second_backup"] = await moment.node.back_up()
        everything, content = await moment.documents(), moment.node.node / "content"
        result |= {
            "documents": {"all": len(everything["outgoing"]), "before_moment": len(expected["outgoing"])},
            "content": content_in(moment.node.node),
            "archive": bytes_in(server.folder / "archive"),
            "folder": bytes_in(moment.node.target),
            "rows": await ask(server, "SELECT pg_database_size(current_database())"),
        }
        result["recover_s"] = await moment.recover(at)
        shutil.rmtree(content)
        result["refused"] = await moment.is_refused()
        (last,) = sorted(moment.node.target.glob("*.snapshot"))[-1:]
        result["files"] = await moment.node.type_line("restore", str(last), "--files")
        result["confirmed"] = await moment.node.type_line("restored", "--confirmed-by=A", "--approved-by=B")
        result["same_documents"] = await moment.documents() == expected
        result["content_lacks"] = await moment.content_lacks()
        async with pair.at_work(folder, NODE) as side:
            paper = await pair.papers(folder / "papers", size, 1)
            await side.ask("send", papers=[str(paper[0])], first=1_000_000, at_once=1)
            result["works"] = True
    return result


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.moment", description=__doc__)
    parser.add_argument("--gb", type=float, default=10.0, help="gigabytes of content in all (%(default)s)")
    parser.add_argument("--size", type=int, default=1_000_000, help="bytes of a document (%(default)s)")
    parser.add_argument("--folder", type=Path, help="where the scratch folder goes")
    words = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gateway-bench-", dir=words.folder) as name:
        Path(name).chmod(0o755)  # the server runs as a user of its own
        print(json.dumps(asyncio.run(measure(Path(name), round(words.gb * 1e9), words.size)), indent=1))


if __name__ == "__main__":
    main()
