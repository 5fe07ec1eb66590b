"""The journal of an SQLite store is cut by who deleted what may be in no file any more: sooner or later, whatever happens
to one attempt."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from gateway import errors
from gateway.store import sqlite_file
from gateway.store.sqlite_file import WriteAheadLog
from gateway.store.store import SqlStore
from tests.support.stores import NORTH


@pytest.fixture
async def journal(store: SqlStore) -> WriteAheadLog:
    """Return a journal that holds words which must not stay."""
    journal_file = store.journal
    assert journal_file is not None
    assert await journal_file.cut()
    async with store.changing(NORTH) as work:
        await work.jobs.add("pack", "words of a secret")
    journal_file.mark()
    return journal_file


def size(tmp_path: Path) -> int:
    return (tmp_path / "node.db-wal").stat().st_size


async def test_an_attempt_that_is_cut_short_is_repeated(
    journal: WriteAheadLog, store: SqlStore, tmp_path: Path
) -> None:
    async with store.begin(NORTH):
        cutting = asyncio.create_task(journal.cut_if_due())
        await asyncio.wait([cutting], timeout=0.1)  # it waits behind the unit
        cutting.cancel()
        await asyncio.wait([cutting])
    assert size(tmp_path) > 0

    await journal.cut_if_due()

    assert size(tmp_path) == 0


async def test_an_attempt_that_fails_is_reported_in_our_words_and_repeated(
    journal: WriteAheadLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, how: str) -> bool:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(sqlite_file, "_checkpoint", full)
        with pytest.raises(errors.StoreFailure, match="disk is full"):
            await journal.cut_if_due()

    await journal.cut_if_due()

    assert size(tmp_path) == 0
