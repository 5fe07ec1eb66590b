"""Opening the database: the promises that SQLite must keep, and the URLs that are refused."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from gateway import errors
from gateway.store.engine import EngineRole, engine_for_task, open_engine
from gateway.store.store import SqlStore
from gateway.store.transaction import driver_message, transaction
from tests.support.stores import NORTH


def test_a_url_that_cannot_hold_what_must_not_be_lost_is_refused() -> None:
    for url in ("node.db", "mysql://host/db", "sqlite://", "sqlite:///:memory:"):
        with pytest.raises(errors.Misconfigured, match=r"database\.url"):
            open_engine(url, EngineRole.WRITER)


def test_a_file_that_cannot_be_opened_is_named_before_the_driver_tries(tmp_path: Path) -> None:
    with pytest.raises(errors.Misconfigured, match="does not exist"):
        open_engine(f"sqlite:///{tmp_path / 'missing' / 'node.db'}", EngineRole.WRITER)
    with pytest.raises(errors.Misconfigured, match="not a file"):
        open_engine(f"sqlite:///{tmp_path}", EngineRole.READER)


async def test_g1_the_writer_is_durable_and_checks_foreign_keys_and_the_reader_cannot_write(
    tmp_path: Path,
) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'x.db'}", EngineRole.WRITER)
    async with engine.connect() as connection:
        pragmas = {
            name: (await connection.execute(text(f"PRAGMA {name}"))).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    await engine.dispose()

    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 10_000}

    engine = open_engine(f"sqlite:///{tmp_path / 'x.db'}", EngineRole.READER)
    async with engine.connect() as connection:
        with pytest.raises(OperationalError, match="readonly"):
            await connection.execute(text("CREATE TABLE x (y)"))
    await engine.dispose()


async def test_begin_takes_the_write_lock_at_once(store: SqlStore, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "node.db", timeout=0, isolation_level=None)

    async with store.begin(NORTH):
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")

    other.execute("BEGIN IMMEDIATE")
    other.close()


async def test_a_database_that_breaks_off_says_so_without_the_values(store: SqlStore) -> None:
    broken = text("SELECT * FROM nowhere WHERE x = :secret").bindparams(secret="hidden")

    async with transaction(store._reader) as tx:
        with pytest.raises(errors.StoreFailure) as caught:
            await tx.tuples(broken)

    assert "nowhere" in str(caught.value)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    ("words", "shown_text"),
    [
        (
            "invalid input for query argument $2: 'Nguyen (A)' (expected str, got int)",
            "invalid input for query argument $2 (expected str, got int)",
        ),
        ("invalid input for query argument $2: 'a secret", "invalid input for query argument $2"),
        ("no such table\nSELECT 'a secret'", "no such table"),
    ],
)
def test_a_message_of_the_driver_never_has_a_value(words: str, shown_text: str) -> None:
    assert driver_message(OverflowError(words)) == shown_text


async def test_a_database_file_that_was_moved_away_is_not_made_anew_beside_its_journal(
    tmp_path: Path,
) -> None:
    journal = tmp_path / "node.db-wal"
    journal.write_bytes(b"commits")

    with pytest.raises(OperationalError, match="moved away"):
        async with (
            engine_for_task(f"sqlite:///{tmp_path / 'node.db'}", EngineRole.WRITER) as engine,
            engine.connect(),
        ):
            pass

    assert [path.name for path in tmp_path.iterdir()] == [journal.name]
