"""Statements that PostgreSQL's driver runs itself find, write and fail the same as through SQLAlchemy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    bindparam,
    func,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway import errors
from gateway.store import drivers
from gateway.store.drivers import StatementResult, Statements
from gateway.store.engine import EngineRole, open_engine
from gateway.store.row import Moment
from gateway.store.transaction import transaction
from tests.support.databases import fresh_database

_T = Table(
    "thing",
    MetaData(),
    Column("id", BigInteger, primary_key=True),
    Column("small", Integer),
    Column("at", Moment),
    Column("day", Date),
    Column("yes", Boolean),
    Column("body", LargeBinary),
    Column("words", Text),
    Column("code", String(40, collation="C")),
)
_NEW = _T.insert().inline()
_ONLY_NEW = insert(_T).on_conflict_do_nothing().inline()
_BY_ID = select(_T).where(_T.c.id == bindparam("id"))
_COUNTED = select(func.count().label("n"), func.sum(_T.c.small), func.max(_T.c.at)).where(_T.c.id > 0)
_UPDATE = update(_T).where(_T.c.id == bindparam("which"))
_ZONES = st.sampled_from([UTC, timezone(timedelta(hours=7)), timezone(timedelta(hours=-3, minutes=-30))])
_WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)
_ROWS = st.fixed_dictionaries(
    {
        "id": st.integers(1, 2**62),
        "small": st.none() | st.integers(-(2**31), 2**31 - 1),
        "at": st.none() | st.datetimes(datetime(1970, 1, 1), timezones=_ZONES),
        "day": st.none() | st.dates(),
        "yes": st.none() | st.booleans(),
        "body": st.none() | st.binary(max_size=20),
        "words": st.none() | _WORDS,
        "code": st.none() | _WORDS,
    }
)


@pytest.fixture(scope="module")
def runner() -> Any:
    with asyncio.Runner() as loop_runner:
        yield loop_runner


@pytest.fixture(scope="module")
def engine(runner: asyncio.Runner) -> Any:
    """Make the engine of a database with the one table; both live as long as the module's tests."""

    async def create() -> tuple[Any, AsyncEngine]:
        database = fresh_database()
        opened = open_engine(await database.__aenter__(), EngineRole.WRITER)
        async with opened.begin() as connection:
            await connection.run_sync(_T.metadata.create_all)
        return database, opened

    database, opened = runner.run(create())
    yield opened
    runner.run(opened.dispose())
    runner.run(database.__aexit__(None, None, None))


class Ask:
    """Asks directly, as one that has asked before."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection, self._known = connection, Statements()

    async def __call__(self, statement: Any, values: Any) -> StatementResult:
        prepare = self._known.find_for_many if isinstance(values, list) else self._known.find
        prepare(statement, values, self._connection.dialect)
        prepared = prepare(statement, values, self._connection.dialect)
        assert prepared is not None
        if isinstance(values, list):
            return await drivers.run_many_on_server(prepared, self._connection, values)
        return await drivers.run_on_server(prepared, self._connection, values)


@given(row=_ROWS, other=_ROWS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_one_of_both_writes_the_other_reads_alike(
    runner: asyncio.Runner, engine: AsyncEngine, row: dict[str, Any], other: dict[str, Any]
) -> None:
    async def compared() -> None:
        async with engine.connect() as connection:
            ask = Ask(connection)
            row_id = {"id": row["id"]}

            assert (await ask(_NEW, row)).rowcount == 1
            assert (await ask(_ONLY_NEW, row)).rowcount == 0
            assert await both(ask, connection, _BY_ID, row_id) == row

            changed = {name: value for name, value in other.items() if name != "id"}
            assert (await ask(_UPDATE, changed | {"which": row["id"]})).rowcount == 1
            assert (await ask(_UPDATE, changed | {"which": row["id"] + 1})).rowcount == 0
            assert await both(ask, connection, _BY_ID, row_id) == row | changed

            await connection.execute(_T.delete())
            await connection.execute(_NEW, other)
            assert await both(ask, connection, _BY_ID, {"id": other["id"]}) == other
            assert (await both(ask, connection, _COUNTED, {}))["n"] == 1

            await ask(_NEW, [other | {"id": other["id"] + n} for n in (1, 2, 3)])
            assert (await both(ask, connection, _COUNTED, {}))["n"] == 4
            await connection.rollback()

    runner.run(compared())


async def both(ask: Ask, connection: AsyncConnection, query: Any, values: dict[str, Any]) -> dict[str, Any]:
    """Find the one row in either way, check that both give the same names and values, and return it."""
    (ours,) = (await ask(query, values)).rows
    (theirs,) = await connection.execute(query, values)
    assert list(ours._asdict().items()) == list(theirs._asdict().items())
    row: dict[str, Any] = ours._asdict()
    return row


@pytest.fixture
async def writer(postgres_url: str) -> AsyncIterator[AsyncEngine]:
    engine = open_engine(postgres_url, EngineRole.WRITER)
    async with engine.begin() as connection:
        await connection.run_sync(_T.metadata.create_all)
    yield engine
    await engine.dispose()


def thing_row(id: int, **values: object) -> dict[str, object]:
    return dict.fromkeys(_T.c.keys()) | values | {"id": id}


async def test_both_are_in_one_transaction_and_undone_together(writer: AsyncEngine) -> None:
    for ends in ("commit", "rollback"):
        async with writer.connect() as connection:
            ask = Ask(connection)
            assert (await ask(_ONLY_NEW, thing_row(1))).rowcount == 1
            await connection.execute(_NEW, thing_row(2))
            assert len((await ask(select(_T.c.id), {})).rows) == 2
            await getattr(connection, ends)()
        async with writer.begin() as connection:
            ids = (await connection.execute(select(_T.c.id))).all()
            await connection.execute(_T.delete())
        assert len(ids) == (2 if ends == "commit" else 0)


@pytest.mark.parametrize(
    ("values", "kind", "message"),
    [
        (thing_row(1, words="a\x00b"), errors.StoreFailure, "invalid byte sequence"),
        (thing_row(1, small=2**40), errors.BadForm, "out of the span that is stored"),
        (thing_row(1, at=datetime(2026, 1, 1)), errors.StoreFailure, "has no zone"),
    ],
)
async def test_a_value_that_cannot_be_written_is_told_alike_each_time(
    writer: AsyncEngine, values: dict[str, Any], kind: type[errors.GatewayError], message: str
) -> None:
    for _ in range(3):
        with pytest.raises(kind, match=message):
            async with transaction(writer, shared=True) as tx:
                await tx.change(_NEW, **values)


async def test_a_row_that_is_there_is_a_clash_and_its_connection_stays_in_the_pool(
    writer: AsyncEngine,
) -> None:
    pids = set()
    for times in range(4):
        async with transaction(writer, shared=True) as tx:
            ((pid,),) = await tx.tuples(select(func.pg_backend_pid()))
            pids.add(pid)
            if times == 0:
                await tx.change(_NEW, **thing_row(1))
                await tx.commit()
            else:
                with pytest.raises(errors.Clash):
                    await tx.change(_NEW, **thing_row(1))
                with pytest.raises(errors.StoreFailure, match="was refused"):
                    await tx.change(_NEW, **thing_row(2))

    assert len(pids) == 1


async def test_who_is_cut_short_in_the_middle_leaves_no_half_used_connection(writer: AsyncEngine) -> None:
    slow = select(text("pg_sleep(30)"))

    async def asks() -> None:
        async with transaction(writer) as tx:
            await tx.tuples(select(_T.c.id))
            for _ in range(2):
                await tx.tuples(slow)

    asking = asyncio.create_task(asks())
    await asyncio.wait([asking], timeout=0.3)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking

    async with transaction(writer, shared=True) as tx:
        assert await tx.change(_NEW, **thing_row(1)) == 1
        await tx.commit()


async def test_a_table_that_changes_under_a_kept_statement_fails_at_most_once(writer: AsyncEngine) -> None:
    query = select(_T).where(_T.c.id == bindparam("id"))

    async def count_rows() -> int:
        async with transaction(writer) as tx:
            return len(await tx.tuples(query, id=1))

    assert [await count_rows() for _ in range(3)] == [0, 0, 0]
    async with writer.begin() as connection:
        await connection.execute(text("ALTER TABLE thing ALTER COLUMN words TYPE varchar(99)"))
    with pytest.raises(errors.StoreFailure):
        await count_rows()

    assert await count_rows() == 0
