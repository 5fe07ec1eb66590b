"""Statements that SQLite's driver runs itself find and write the same as SQLAlchemy does; near views are of one moment."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import (
    Column,
    Date,
    LargeBinary,
    MetaData,
    Table,
    Text,
    bindparam,
    create_engine,
    func,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.types import Boolean, Float, Integer

from gateway import errors
from gateway.store import drivers
from gateway.store.drivers import Statements
from gateway.store.row import Moment
from gateway.store.store import SqlStore
from gateway.store.tables import BlobRow
from gateway.store.tables_node import HostedAgencyRow
from gateway.store.transaction import SlowTransaction
from tests.support.cases import Cases
from tests.support.waiting import LIMIT_S

_T = Table(
    "thing",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("at", Moment),
    Column("day", Date),
    Column("yes", Boolean),
    Column("share", Float),
    Column("body", LargeBinary),
    Column("words", Text),
)
_NEW = _T.insert()
_BY_ID = select(_T).where(_T.c.id == bindparam("id"))
_EDIT = update(_T).where(_T.c.id == bindparam("which"))
_ZONES = st.sampled_from([UTC, timezone(timedelta(hours=7)), timezone(timedelta(hours=-3, minutes=-30))])
_ROWS = st.fixed_dictionaries(
    {
        "id": st.integers(1, 2**62),
        "at": st.none() | st.datetimes(datetime(1970, 1, 1), timezones=_ZONES),
        "day": st.none() | st.dates(),
        "yes": st.none() | st.booleans(),
        "share": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "body": st.none() | st.binary(max_size=20),
        "words": st.none() | st.text(st.characters(codec="utf-8"), max_size=20),
    }
)


@given(row=_ROWS, other=_ROWS)
def test_what_one_of_both_writes_the_other_reads_alike(row: dict[str, Any], other: dict[str, Any]) -> None:
    engine = create_engine("sqlite+pysqlite:///:memory:")
    cache = Statements()
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        _T.metadata.create_all(connection)
        for statement in (_NEW, _BY_ID, _EDIT):
            cache.find(statement, {}, engine.dialect)  # asked for the first time: perhaps kept nowhere yet

        new, by_id = cache.find(_NEW, row, engine.dialect), cache.find(_BY_ID, {"id": 0}, engine.dialect)
        assert new is not None
        assert by_id is not None
        assert drivers.run_on_sqlite(new, driver, row).rowcount == 1
        (theirs,) = connection.execute(_BY_ID, {"id": row["id"]})
        (ours,) = drivers.run_on_sqlite(by_id, driver, {"id": row["id"]}).rows
        assert (tuple(ours), ours.at, ours.words) == (tuple(theirs), row["at"], row["words"])

        changed = {name: value for name, value in other.items() if name != "id"}
        edit = cache.find(_EDIT, changed | {"which": row["id"]}, engine.dialect)
        assert edit is not None
        assert drivers.run_on_sqlite(edit, driver, changed | {"which": row["id"]}).rowcount == 1
        assert drivers.run_on_sqlite(edit, driver, changed | {"which": row["id"] + 1}).rowcount == 0
        (theirs,) = connection.execute(_BY_ID, {"id": row["id"]})
        assert theirs._asdict() == changed | {"id": row["id"]}
    engine.dispose()


def test_what_the_driver_cannot_do_alone_is_left_to_sqlalchemy(cases: Cases) -> None:
    engine, cache = create_engine("sqlite+pysqlite:///:memory:"), Statements()
    single, of_many, many = cache.find, cache.find_for_many, select(_T.c.id).where(_T.c.id.in_([1, 2, 3]))
    rows: dict[str, Callable[[], object]] = {
        "made for one question": lambda: single(select(_T.c.id), None, engine.dialect),
        "as many values as it is asked for": lambda: single(many, None, engine.dialect),
        "rows that tell each their key": lambda: of_many(
            insert(_T).returning(_T.c.id), [{"id": 1}, {"id": 2}], engine.dialect
        ),
    }
    for name, ask in rows.items():
        with cases.case(name):
            assert [ask() for _ in range(3)] == [None, None, None]
            assert name != "made for one question" or len(cache) == 0


def test_so_many_rows_that_others_would_wait_go_to_a_thread() -> None:
    rows: list[dict[str, Any]] = [{"id": n} for n in range(drivers.MANY + 1)]

    assert drivers.is_slow(_NEW, rows)
    assert not drivers.is_slow(_NEW, rows[1:])


async def test_a_value_that_cannot_be_written_is_named_and_nothing_is_stored(store: SqlStore) -> None:
    naive = datetime(2026, 1, 1)
    for _ in range(3):
        async with store.writing() as tx:
            tx.insert(BlobRow(digest="d", size=1, stored_at=naive))
            with pytest.raises(errors.StoreFailure, match="has no zone"):
                await tx.flush()

    async with store.viewing_few() as tx:
        assert await tx.tuples(select(BlobRow.digest)) == []  # type: ignore[call-overload]  # a column, to the table


async def test_a_row_that_is_there_already_is_a_clash_each_time(store: SqlStore) -> None:
    row = HostedAgencyRow(id="agy_1", code="Z91.77", body="{}")
    async with store.writing() as tx:
        tx.insert(row)
        await tx.commit()

    for _ in range(3):
        async with store.writing() as tx:
            tx.insert(row)
            with pytest.raises(errors.Clash):
                await tx.flush()
            with pytest.raises(errors.StoreFailure, match="was refused"):
                await tx.commit()


async def test_a_view_is_of_one_moment_and_cannot_write(store: SqlStore) -> None:
    question = select(HostedAgencyRow.code).where(HostedAgencyRow.code == "Z91.79")  # type: ignore[call-overload]  # as above
    async with store.viewing_few() as view:
        assert await view.tuples(question) == []
        async with store.writing() as tx:
            tx.insert(HostedAgencyRow(id="agy_3", code="Z91.79", body="{}"))
            await tx.commit()
        assert await view.tuples(question) == []
        with pytest.raises(errors.StoreFailure, match="readonly"):
            await view.insert_new(HostedAgencyRow(id="agy_4", code="Z91.80", body="{}"))

    async with store.viewing_few() as view:
        assert [tuple(row) for row in await view.tuples(question)] == [("Z91.79",)]


async def test_more_views_than_connections_are_kept_are_all_served_and_leave_nothing_open(
    store: SqlStore,
) -> None:
    async def look() -> int:
        async with store.viewing_few() as view:
            await asyncio.sleep(0)
            return len(await view.tuples(select(HostedAgencyRow)))

    assert len(set(await asyncio.gather(*(look() for _ in range(100))))) == 1

    async with store.writing() as tx:
        tx.insert(HostedAgencyRow(id="agy_5", code="Z91.81", body="{}"))
        await tx.commit()
    file = sqlite3.connect(store.writer.url.database or "", isolation_level=None)
    # No view holds the journal.
    assert file.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    file.close()


async def test_whoever_fails_in_a_view_leaves_a_usable_one(store: SqlStore) -> None:
    async def fail() -> None:
        async with store.viewing_few() as view:
            await view.tuples(select(HostedAgencyRow))
            raise ZeroDivisionError

    for _ in range(40):
        with pytest.raises(ZeroDivisionError):
            await fail()

    async with store.viewing_few() as view:
        assert await view.tuples(select(date_of_nobody())) != []


async def test_whoever_is_cut_short_while_a_thread_reads_leaves_a_usable_view(store: SqlStore) -> None:
    loop, begun, go_on = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    def block() -> int:
        loop.call_soon_threadsafe(begun.set)
        go_on.wait(LIMIT_S)
        return 1

    async def look() -> None:
        async with store.viewing_few() as view:
            drivers.sqlite_driver(view.connection).create_function("held", 0, block)
            await view.tuples(select(func.held()).execution_options(**{drivers.SLOW: True}))

    looking = asyncio.create_task(look())
    await begun.wait()
    looking.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await looking

    async with store.viewing_few() as view:
        assert await view.tuples(select(date_of_nobody())) != []


def date_of_nobody() -> Any:
    return bindparam("day", date(2026, 1, 1))


async def test_a_query_of_a_thread_is_answered_every_time(store: SqlStore) -> None:
    """A statement is kept from the second time on; what is kept for a server is no use to a thread that reads SQLite."""
    assert [(await store.log.head()).size for _ in range(3)] == [0, 0, 0]


async def test_a_query_of_a_list_runs_in_a_thread_each_time_and_one_for_few_rows_does_not(
    store: SqlStore,
) -> None:
    """Also from the second time on, when the library is left out."""
    of_a_list, of_few = select(func.thread()), select(func.thread()).execution_options(**drivers.FEW)
    async with store.viewing_few() as view:
        drivers.sqlite_driver(view.connection).create_function("thread", 0, threading.get_ident)
        slow = SlowTransaction(view)
        threads = [(await slow.scalar(of_a_list), await slow.scalar(of_few)) for _ in range(3)]

    assert [id == threading.get_ident() for pair in threads for id in pair] == [False, True] * 3
