"""Migrations on a server: one at a time, as slow as they must be, and without blocking a node at work."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest
from sqlalchemy import select, text

from gateway import errors
from gateway.store import migrate
from gateway.store.engine import EngineRole, ServerLimits, open_engine
from tests.support.later_version import later_version

ROOT = Path(__file__).parents[3]


async def up(folder: Path, url: str) -> tuple[int | None, str]:
    """Run `gateway migrate up` in a process of its own; return its exit status and its output."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "gateway", "--lang", "en", "migrate", "up", "-o", "json"),
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "GATEWAY_NODE_DATA_DIR": str(folder),
            "GATEWAY_DATABASE_URL": url,
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


async def test_two_migrations_at_once_both_end_well_and_each_step_runs_once(
    tmp_path: Path, postgres_url: str
) -> None:
    runs = await asyncio.gather(*(up(tmp_path, postgres_url) for _ in range(2)))

    assert [code for code, _ in runs] == [0, 0], runs
    schema = await migrate.status(postgres_url)
    assert (schema.current, schema.pending) == (schema.head, ())


async def test_a_step_may_take_longer_than_any_statement_of_a_node(postgres_url: str) -> None:
    short = ServerLimits(statement_s=0.2, idle_s=0.2)
    engine = open_engine(postgres_url, EngineRole.MIGRATOR, short)

    async with engine.begin() as connection:
        await connection.execute(select(text("pg_sleep(0.5)")))
        limits = [
            (await connection.execute(text(f"SHOW {name}"))).scalar_one()
            for name in ("statement_timeout", "idle_in_transaction_session_timeout")
        ]
    await engine.dispose()

    assert limits == ["0", "0"]


async def test_a_step_that_waits_for_a_busy_table_ends_with_a_lock_timeout(
    migrated_postgres_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A step that waits for a whole table makes every later statement wait behind it."""
    monkeypatch.setattr(migrate, "AS_SHIPPED", ServerLimits(lock_s=0.2))
    writer = open_engine(migrated_postgres_url, EngineRole.WRITER)
    async with writer.begin() as busy:
        await busy.execute(text("LOCK TABLE job IN ACCESS SHARE MODE"))
        with later_version(tmp_path / "later"), pytest.raises(errors.StoreFailure, match="lock timeout"):
            await migrate.up(migrated_postgres_url)
    await writer.dispose()
