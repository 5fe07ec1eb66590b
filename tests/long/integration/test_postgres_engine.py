"""A PostgreSQL server that fails, hangs or restarts causes one named failure in a node, which may be tried again; after
that everything goes on by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from urllib.parse import urlsplit

import asyncpg
import pytest
from asyncpg import Connection
from sqlalchemy import event, select, text

from gateway import errors
from gateway.registry.directory import SqlDirectory
from gateway.store import engine, migrate
from gateway.store.engine import ServerLimits
from gateway.store.store import SqlStore
from tests.support.clock import ManualClock
from tests.support.stores import NORTH, SOUTH, committing, outgoing, with_agencies
from tests.support.tcp_proxy import TcpProxy
from tests.support.waiting import wait_until, within_limit

NOBODY = "postgresql://admin@127.0.0.1:9/none"  # the discard port, where no server listens
TWO = ServerLimits(connections=2)


@pytest.fixture
async def url(migrated_postgres_url: str, clock: ManualClock) -> str:
    """Return the address of a database that hosts NORTH and SOUTH."""
    async with with_agencies(migrated_postgres_url, clock):
        return migrated_postgres_url


@pytest.fixture
async def store(url: str, clock: ManualClock) -> AsyncIterator[SqlStore]:
    async with opened(url, clock) as store:
        yield store


@pytest.fixture
async def line(url: str) -> AsyncIterator[TcpProxy]:
    parts = urlsplit(url)
    async with TcpProxy(parts.hostname or "", parts.port or 5432) as proxy:
        yield proxy


@pytest.fixture
async def far(line: TcpProxy, url: str, clock: ManualClock) -> AsyncIterator[SqlStore]:
    """Open the store over a line that can be cut."""
    async with opened(_through(line, url), clock) as store:
        yield store


def _through(line: TcpProxy, url: str) -> str:
    return urlsplit(url)._replace(netloc=f"admin@{line.host}:{line.port}").geturl()


@asynccontextmanager
async def opened(url: str, clock: ManualClock, limits: ServerLimits = TWO) -> AsyncIterator[SqlStore]:
    """Open a store with the product's time limits unless others are given: a busy machine may be slow."""
    store = SqlStore(url, clock, limits)
    try:
        yield store
    finally:
        await store.close()


async def terminate(url: str, clients: Sequence[Connection] = ()) -> None:
    """End all connections as a restart of the server does; return when these clients have noticed."""
    admin = await asyncpg.connect(url)
    await admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    # A terminated backend lives for a moment; it has said goodbye once it is gone from this list.
    await until_none(admin, "%")
    await wait_until(lambda: all(client.is_closed() for client in clients), "every client has seen it")
    await admin.close()


async def until_none(admin: Connection, state: str) -> None:
    """Wait until no other client of the database is in such a state."""
    query = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid() AND coalesce(state, '') LIKE $1"
    )

    async def is_none() -> bool:
        return not await admin.fetchval(query, state)

    await wait_until(is_none, f"no other client is {state}")


async def number(store: SqlStore) -> int:
    async with committing(store) as work:
        return await work.register.next_number("in", 2026)


async def test_a_server_that_is_not_there_is_one_named_failure_everywhere(clock: ManualClock) -> None:
    store = SqlStore(NOBODY, clock)
    directory = SqlDirectory(store.reader, store.memory, clock)

    with pytest.raises(errors.Misconfigured, match="does not answer"):
        await store.open()
    with pytest.raises(errors.StoreFailure, match="does not answer"):
        await number(store)
    with pytest.raises(errors.StoreFailure, match="does not answer"):
        await store.claim_jobs("pack", 1, 60)
    with pytest.raises(errors.StoreFailure):
        await directory.entry("Z91")
    with pytest.raises(errors.StoreFailure, match="does not answer"):
        await migrate.up(NOBODY)
    assert errors.StoreFailure.permanent is False
    await store.close()


async def test_an_address_with_words_the_driver_does_not_know_is_misconfigured(
    url: str, clock: ManualClock
) -> None:
    store = SqlStore(f"{url}?colour=red", clock)

    with pytest.raises(errors.Misconfigured, match=r"database\.url.*colour"):
        await store.open()

    await store.close()


async def test_a_server_that_was_restarted_between_two_units_of_work_is_not_noticed(
    store: SqlStore, url: str
) -> None:
    theirs: list[Connection] = []
    event.listen(
        store.writer.sync_engine, "connect", lambda dbapi, record: theirs.append(dbapi.driver_connection)
    )
    assert sorted(await asyncio.gather(number(store), number(store))) == [1, 2]

    assert theirs
    await terminate(url, theirs)

    assert sorted(await asyncio.gather(number(store), number(store))) == [3, 4]
    assert await store.claim_jobs("pack", 1, 60) == []


async def test_a_server_that_goes_in_the_middle_of_a_unit_of_work_stores_nothing_of_it(
    store: SqlStore, url: str, clock: ManualClock
) -> None:
    document = outgoing(clock)

    async def add() -> None:
        async with committing(store) as work:
            await work.outgoing.add(document)
            await terminate(url)

    with pytest.raises(errors.StoreFailure):
        await add()
    async with store.begin(NORTH) as work:
        with pytest.raises(errors.NotFound):
            await work.outgoing.get(document.id)


async def test_a_statement_that_takes_too_long_is_broken_off(
    store: SqlStore, url: str, clock: ManualClock
) -> None:
    async with opened(url, clock, replace(TWO, statement_s=0.5)) as hurried, hurried.writing() as tx:
        with pytest.raises(errors.StoreFailure, match="statement timeout"):
            await tx.tuples(select(text("pg_sleep(30)")))

    assert await number(store) == 1


async def test_who_waits_too_long_for_another_transaction_is_told_so(
    store: SqlStore, url: str, clock: ManualClock
) -> None:
    async with opened(url, clock, replace(TWO, lock_s=0.3)) as hurried, store.begin(NORTH) as work:
        await work.register.next_number("in", 2026)
        with pytest.raises(errors.StoreFailure, match="lock timeout"):
            await number(hurried)
        await work.commit()

    assert await number(store) == 2


async def test_a_transaction_in_which_nothing_happens_is_ended_by_the_server(
    store: SqlStore, url: str, clock: ManualClock
) -> None:
    admin = await asyncpg.connect(url)

    async def hang(hurried: SqlStore) -> None:
        async with committing(hurried) as work:
            await work.register.next_number("in", 2026)
            await until_none(admin, "idle in transaction")

    async with opened(url, clock, replace(TWO, idle_s=0.5)) as hurried:
        with pytest.raises(errors.StoreFailure):
            await hang(hurried)
    await admin.close()

    assert await number(store) == 1


async def test_more_units_of_work_than_connections_wait_their_turn_and_who_finds_none_in_time_is_told_so(
    url: str, clock: ManualClock
) -> None:
    async with opened(url, clock) as store:
        assert sorted(await asyncio.gather(*(number(store) for _ in range(20)))) == list(range(1, 21))

    async with opened(url, clock, replace(TWO, lock_s=0.3)) as store, store.begin(NORTH), store.begin(SOUTH):
        with pytest.raises(errors.StoreFailure, match="QueuePool limit"):
            await number(store)


async def test_a_line_that_breaks_and_heals_leaves_nothing_behind(far: SqlStore, line: TcpProxy) -> None:
    assert await number(far) == 1

    await line.refuse()
    with pytest.raises(errors.StoreFailure):
        await number(far)
    line.heal()

    assert await number(far) == 2


async def test_a_commit_whose_answer_is_lost_is_said_to_be_unknown(far: SqlStore, line: TcpProxy) -> None:
    async def commit_into_nothing() -> None:
        async with committing(far) as work:
            await work.register.next_number("in", 2026)
            await line.cut()

    with pytest.raises(errors.StoreFailure, match="did not say that it committed"):
        await commit_into_nothing()
    assert await number(far) in (1, 2)


async def test_a_server_that_says_nothing_any_more_is_given_up(
    store: SqlStore, url: str, line: TcpProxy, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "CONNECT_S", 1.5)
    async with opened(_through(line, url), clock, replace(TWO, statement_s=1.5)) as hurried:
        assert await number(hurried) == 1
        line.stall()
        with pytest.raises(errors.StoreFailure):
            await within_limit(number(hurried), "the server is given up")

    assert await number(store) == 2
