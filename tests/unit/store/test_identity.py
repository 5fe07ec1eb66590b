"""A database that was copied or put back by its own tools is not taken for the one of before: the node does not work on it
until two people have confirmed it, without `restored --mark`."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gateway.bootstrap.node import open_node
from gateway.errors import Misconfigured
from gateway.settings import Settings
from gateway.store import restored
from gateway.store.identity import FILE, RENEW_EVERY, DatabaseIdentity
from gateway.store.store import SqlStore
from tests.support.clock import ManualClock
from tests.support.databases import fresh_database
from tests.support.node import opened

UNCONFIRMED = "GW-C-002"


async def code_of_start(settings: Settings) -> str:
    try:
        async with open_node(settings):
            return ""
    except Misconfigured as refused:
        return refused.code


def put_back(database: Path, copy: Path) -> None:
    for end in ("-wal", "-shm"):
        database.with_name(database.name + end).unlink(missing_ok=True)
    shutil.copy(copy, database)


async def test_an_older_copy_of_the_file_is_noticed_and_the_present_one_is_not(tmp_path: Path) -> None:
    copies = [tmp_path / name for name in ("older.db", "newest.db")]
    async with opened(tmp_path / "node") as town:
        settings, database = town.node.settings, Path(str(town.node.store.writer.url.database))
        assert not await town.node.identity.renew()
        for copy in copies:
            with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(copy)) as target:
                source.backup(target)
            for _ in range(2 if copy == copies[0] else 0):
                town.clock.advance(RENEW_EVERY.total_seconds())
                assert not await town.node.identity.renew()

    assert await code_of_start(settings) == ""
    put_back(database, copies[1])
    assert await code_of_start(settings) == ""
    put_back(database, copies[0])
    assert [await code_of_start(settings) for _ in range(2)] == [UNCONFIRMED, UNCONFIRMED]
    put_back(database, copies[1])
    (settings.node.data_dir / FILE).unlink()  # a copy in another folder
    assert await code_of_start(settings) == UNCONFIRMED


@pytest.mark.parametrize("loops", ["run_workers", "run_beside"])
async def test_a_node_at_work_ends_when_its_database_becomes_another(tmp_path: Path, loops: str) -> None:
    async with opened(tmp_path / "node") as town:
        await town.node.identity.renew()
        async with town.node.store.writer.begin() as connection:
            await connection.exec_driver_sql("UPDATE folder_mark SET mark = 'x' WHERE place = 'database'")

        with pytest.raises(Misconfigured) as refused:
            await asyncio.wait_for(getattr(town.node, loops)(asyncio.Event()), 30)

        assert refused.value.code == UNCONFIRMED


@asynccontextmanager
async def open_identity(url: str, folder: Path) -> AsyncIterator[tuple[SqlStore, DatabaseIdentity]]:
    store = SqlStore(url, ManualClock())
    try:
        yield store, DatabaseIdentity(store, ManualClock(), "north", folder)
    finally:
        await store.close()


async def test_a_copy_on_a_server_is_noticed(migrated_postgres_url: str, tmp_path: Path) -> None:
    async with open_identity(migrated_postgres_url, tmp_path) as (store, identity):
        assert [await identity.renew() for _ in range(2)] == [False, False]
        assert await restored.waiting(store) is None
    name = urlsplit(migrated_postgres_url).path.lstrip("/")

    async with fresh_database(name) as url, open_identity(url, tmp_path) as (store, identity):
        assert await identity.renew()
        assert await restored.waiting(store) is not None
        # Once two people have confirmed it, it is the node's own.
        assert not await identity.renew()
