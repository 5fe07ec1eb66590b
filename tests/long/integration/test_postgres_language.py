"""On a server whose databases sort in a language, searches by the beginning of a text find the same."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy import insert

from gateway.registry.directory import SqlDirectory
from gateway.registry.tables import AGENCY
from gateway.store import migrate
from gateway.store.store import SqlStore
from tests.support.clock import ManualClock
from tests.support.databases import fresh_database


@pytest.fixture
async def url(postgres_url: str) -> AsyncIterator[str]:
    """Make a migrated database in the order of the Vietnamese language, in which signs between letters count for little,
    as in the languages of most systems."""
    admin = await asyncpg.connect(postgres_url)
    await admin.execute(
        "CREATE DATABASE vietnamese TEMPLATE template0 LOCALE 'C.UTF-8'"
        " LOCALE_PROVIDER icu ICU_LOCALE 'vi-u-ka-shifted'"
    )
    try:
        async with fresh_database("vietnamese") as url:
            await migrate.up(url)
            yield url
    finally:
        await admin.execute("DROP DATABASE vietnamese WITH (FORCE)")
        await admin.close()


async def test_codes_and_names_are_found_by_their_beginning(url: str) -> None:
    clock = ManualClock()
    store = SqlStore(url, clock)
    directory = SqlDirectory(store.reader, store.memory, clock)
    names = {"Z91": "don vi a", "Z91.1": "don vi đ", "Z911": "đon vi", "Z92": "so y"}
    rows = [
        {
            "code": code,
            "name": name,
            "folded": name,
            "source": "imported",
            "scheme": "VN-GOV",
            "updated_at": clock.now(),
        }
        for code, name in names.items()
    ]
    async with store.writer.begin() as connection:
        await connection.execute(insert(AGENCY), rows)

    by_code = [entry.code for entry in await directory.search("z91.")]
    by_name = [entry.code for entry in await directory.search("don vi")]
    every = [entry.code for entry in (await directory.entries()).items]
    await store.close()

    assert by_code == ["Z91.1"]
    assert by_name == ["Z91", "Z91.1"]
    assert every == sorted(names)
