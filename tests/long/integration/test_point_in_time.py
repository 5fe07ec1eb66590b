"""A node on PostgreSQL comes back to a chosen second: rows by the server's own log, files from the folder of incremental
backups. The gate of restores closes by itself, and what was accepted before that second is there."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import asyncpg
import pytest

from gateway.bootstrap.node import open_node
from gateway.errors import Misconfigured
from gateway.incoming.register import BOOK
from gateway.ops import backup, restore
from gateway.outgoing import files
from gateway.pool import ThreadPool
from gateway.store import restored
from gateway.store.store import SqlStore
from tests.services import postgres
from tests.support.node import opened
from tests.support.packets import DEPARTMENT, PDF
from tests.support.passphrases import make_cheap
from tests.support.services import missing
from tests.support.waiting import wait_until

WORDS = b"words that nobody guesses"
LARGE = PDF + bytes(200_000)
ARCHIVES = """
archive_mode = on
archive_command = 'cp %p {folder}/archive/%f'
wal_level = replica
"""
RETURNS = """
restore_command = 'cp {folder}/archive/%f %p'
recovery_target_time = '{at}'
recovery_target_action = 'promote'
"""


@pytest.fixture
def server() -> Iterator[postgres.Server]:
    if not postgres.installed():
        missing("PostgreSQL is not installed")
    folder = Path(tempfile.mkdtemp(prefix="gateway-moment-"))
    folder.chmod(0o755)
    server = postgres.start(folder / "postgres")
    server.stop()
    add(server, "postgresql.conf", ARCHIVES.format(folder=server.folder))
    as_owner(server, "mkdir", f"{server.folder}/archive")
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


def as_owner(server: postgres.Server, *command: str) -> None:
    user = ["runuser", "-u", server.folder.owner(), "--"] if os.geteuid() == 0 else []
    subprocess.run([*user, *command], check=True, cwd="/")


def add(server: postgres.Server, name: str, lines: str) -> None:
    with (server.folder / "data" / name).open("a", encoding="utf-8") as file:
        file.write(lines)


async def ask(server: postgres.Server, query: str) -> object:
    connection = await asyncpg.connect(server.url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


def silent(step: str, count: int) -> None:
    """Ignore progress."""


async def test_a_node_comes_back_to_a_chosen_second_with_its_files_and_waits_for_two_people(
    server: postgres.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_cheap(monkeypatch)
    url = server.url.replace("postgresql://", "postgresql+asyncpg://")
    copy = tmp_path / "copies" / "node.snapshot"
    copy.parent.mkdir()
    async with opened(tmp_path / "node", database=url) as town:
        settings, clock, pool = town.node.settings, town.clock, town.node.pool
        target = restore.RestoreTarget(
            database_url=url,
            data_dir=settings.node.data_dir,
            content=town.node.room.folder,
            keys=settings.keys.folder,
            trust=settings.trust.folder,
        )
        source = backup.BackupSource(
            node=settings.node.name,
            database_url=url,
            content=target.content,
            keys=target.keys,
            trust=target.trust,
            settings=None,
        )
        await town.node.identity.renew()
        await town.send("15", files=(("15.pdf", LARGE),))
        base = [
            f"--pgdata={server.folder}/base",
            "--username=admin",
            "--host=127.0.0.1",
            f"--port={server.port}",
        ]
        await asyncio.to_thread(as_owner, server, "pg_basebackup", *base)
        await town.send("16", files=(("16.pdf", LARGE + b"\n"),))
        await backup.make(source, copy, WORDS, clock, pool, silent, in_pieces=True)
        moment = await ask(server, "SELECT now()::text")
        await town.send("17", files=(("17.pdf", LARGE + b"\n\n"),))
        await ask(server, "SELECT pg_switch_wal()")

    server.stop()
    data = server.folder / "data"
    data.rename(data.with_name("lost"))
    (server.folder / "base").rename(data)
    add(server, "postgresql.conf", RETURNS.format(folder=server.folder, at=moment))
    as_owner(server, "touch", f"{data}/recovery.signal")
    server.start()

    async def is_primary() -> bool:
        return not await ask(server, "SELECT pg_is_in_recovery()")

    await wait_until(is_primary, "the server has come to its moment")
    shutil.rmtree(target.content)

    with pytest.raises(Misconfigured) as refused:
        async with open_node(settings):
            pass
    assert refused.value.code == "GW-C-002", str(refused.value)

    with closing(ThreadPool(2)) as pool:
        outcomes = [await restore.restore_files(copy, WORDS, target, clock, pool, silent) for _ in range(2)]
    assert outcomes[0].brought > 0
    assert outcomes[1].brought == 0

    store = SqlStore(url, clock)
    await restored.confirm(store, clock, BOOK, clock.now().year, {}, ("A", "B"))
    await store.close()
    async with opened(tmp_path / "node", database=url) as town:
        scope = await town.scope(DEPARTMENT)
        async with town.node.store.read(scope) as work:
            documents = (await work.outgoing.page(limit=10)).items
        assert [document.draft.number for document in documents] == ["16", "15"]
        for document in documents:
            file = await files.open_file(town.node.out, scope, document.id, 1)
            content = b"".join([piece async for piece in file.pieces])
            assert hashlib.sha256(content).hexdigest() == document.files[0].sha256
