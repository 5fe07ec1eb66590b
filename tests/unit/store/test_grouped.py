"""Units that share a commit stand or fall alone, and an answer means that the disk has them (G1)."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError
from sqlmodel import col

from gateway import commits as groups
from gateway import errors
from gateway.store import drivers
from gateway.store.sqlite_file import StoreDriver
from gateway.store.store import SqlStore
from gateway.store.tables_node import HostedAgencyRow
from tests.support.stores import NORTH
from tests.support.waiting import LIMIT_S, within_limit

_LOST = col(HostedAgencyRow.id) == "agy_9"


class Commits:
    """Counter of the writer's commits, which fails those that a test chooses."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.counted, self.failing = 0, False
        committed = StoreDriver.commit

        async def commit(driver: StoreDriver) -> None:
            self.counted += 1
            if self.failing:
                raise OperationalError(None, None, sqlite3.OperationalError("disk I/O error"))
            await committed(driver)

        monkeypatch.setattr(StoreDriver, "commit", commit)


@contextmanager
def _watched() -> Iterator[Commits]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield Commits(monkeypatch)


async def _add(store: SqlStore, subject: str) -> None:
    async with store.changing(NORTH) as work:
        await work.jobs.add("pack", subject)


async def _jobs(store: SqlStore) -> list[str]:
    return sorted(job.subject_id for job in await store.claim_jobs("pack", 1000, 60))


def _on_disk(folder: Path, subject: str) -> bool:
    """Tell whether another program that opens the file now sees it."""
    with closing(sqlite3.connect(folder / "node.db")) as other:
        rows = other.execute("SELECT 1 FROM job WHERE subject_id = ?", (subject,)).fetchall()
    return len(rows) == 1


async def test_units_that_wait_for_each_other_share_one_commit(store: SqlStore) -> None:
    """A stream of them is committed in bounded groups."""
    for count, commit_count in ((20, 1), (2 * groups.MOST + 1, 3)):
        names = [f"doc_{count}_{n:03}" for n in range(count)]
        with _watched() as commits:
            await asyncio.gather(*(_add(store, name) for name in names))
            assert commits.counted == commit_count
        assert await _jobs(store) == names


async def test_units_that_come_while_the_disk_is_busy_share_the_next_commit(store: SqlStore) -> None:
    async def put_then_another(name: str) -> None:
        await _add(store, name)
        await _add(store, f"{name}_again")

    with _watched() as commits:
        await asyncio.gather(*(put_then_another(f"doc_{n:03}") for n in range(20)))

    assert len(await _jobs(store)) == 40
    assert commits.counted == 2


async def test_g1_commit_returns_when_the_disk_has_it(store: SqlStore, tmp_path: Path) -> None:
    async def add(subject: str) -> bool:
        await _add(store, subject)
        return _on_disk(tmp_path, subject)

    assert await asyncio.gather(*(add(f"doc_{n}") for n in range(5))) == [True] * 5


async def test_a_unit_that_fails_or_is_left_without_commit_is_undone_alone(store: SqlStore) -> None:
    async def lost(error: type[Exception] | None = None) -> None:
        async with store.begin(NORTH) as work:
            await work.jobs.add("pack", "lost")
            if error is not None:
                raise error

    units = (_add(store, "first"), lost(LookupError), _add(store, "second"), lost(LookupError), lost())
    outcomes = await asyncio.gather(*units, return_exceptions=True)

    nothing = type(None)
    assert [type(outcome) for outcome in outcomes] == [nothing, LookupError, nothing, LookupError, nothing]
    assert await _jobs(store) == ["first", "second"]


async def test_who_is_cut_short_while_waiting_passes_the_turn_on(store: SqlStore) -> None:
    holding, go_on = asyncio.Event(), asyncio.Event()

    async def holds() -> None:
        async with store.changing(NORTH) as work:
            holding.set()
            await go_on.wait()
            await work.jobs.add("pack", "first")

    first = asyncio.create_task(holds())
    await holding.wait()
    waiting = [asyncio.create_task(_add(store, f"doc_{n}")) for n in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    go_on.set()
    await first
    waiting[1].cancel()  # perhaps in the very moment in which it is handed the turn

    await asyncio.gather(*waiting, return_exceptions=True)

    assert set(await _jobs(store)) >= {"first", "doc_2"}


async def test_who_is_cut_short_while_a_thread_works_takes_nobody_along(store: SqlStore) -> None:
    """Units settled before it in the same group are committed, and those after it too."""
    begun, go_on = asyncio.Event(), threading.Event()

    async def long_one() -> None:
        async with store.writing() as tx:
            tx.insert(HostedAgencyRow(id="agy_9", code="Z91.99", body="{}"))
            blocking = _blocker(asyncio.get_running_loop(), begun, go_on)
            drivers.sqlite_driver(tx.connection).create_function("held", 0, blocking)
            await tx.tuples(select(func.held()).execution_options(**{drivers.SLOW: True}))

    first = asyncio.create_task(_add(store, "first"))
    long = asyncio.create_task(long_one())
    last = asyncio.create_task(_add(store, "last"))
    await within_limit(begun.wait(), "a statement in a thread")
    for _ in range(2):  # once by a limit in time, once more by a stop
        long.cancel()
        await asyncio.sleep(0)
    assert not long.done()  # the thread has the connection still
    go_on.set()

    outcomes = await asyncio.gather(first, long, last, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [type(None), asyncio.CancelledError, type(None)]
    assert await _jobs(store) == ["first", "last"]
    async with store.viewing_few() as view:
        assert await view.first(HostedAgencyRow, select(HostedAgencyRow).where(_LOST)) is None


def _blocker(
    loop: asyncio.AbstractEventLoop, begun: asyncio.Event, go_on: threading.Event
) -> Callable[[], int]:
    """Return a function of the database that runs until the test sets `go_on`."""

    def block() -> int:
        loop.call_soon_threadsafe(begun.set)
        return int(go_on.wait(LIMIT_S))

    return block


async def test_a_commit_that_fails_is_told_to_each_of_its_units_and_to_no_other(
    store: SqlStore,
) -> None:
    with _watched() as commits:
        commits.failing = True
        outcomes = await asyncio.gather(*(_add(store, f"doc_{n}") for n in range(3)), return_exceptions=True)
        commits.failing = False
        await _add(store, "after")

    assert [type(outcome) for outcome in outcomes] == [errors.StoreFailure] * 3
    assert await _jobs(store) == ["after"]


async def test_a_transaction_that_the_database_ended_itself_fails_all_that_was_in_it(
    store: SqlStore,
) -> None:
    async def ends_it() -> None:
        async with store.writing() as tx:
            await tx.connection.exec_driver_sql("ROLLBACK")
            await tx.commit()

    await _add(store, "before")
    outcomes = await asyncio.gather(
        _add(store, "first"), ends_it(), _add(store, "behind"), return_exceptions=True
    )
    await _add(store, "after")

    assert [type(outcome) for outcome in outcomes] == [errors.StoreFailure, errors.StoreFailure, type(None)]
    assert await _jobs(store) == ["after", "before", "behind"]


@contextmanager
def _another_writes(folder: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(folder / "node.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other


async def test_while_another_program_writes_the_loop_goes_on(store: SqlStore, tmp_path: Path) -> None:
    with _another_writes(tmp_path) as other:
        mine = asyncio.create_task(_add(store, "mine"))
        turns = 0
        while turns < 1000:
            await asyncio.sleep(0)
            turns += 1
        assert not mine.done()
        other.execute("COMMIT")
        await mine

    assert await _jobs(store) == ["mine"]


async def test_a_unit_that_never_gets_the_file_says_so(
    store: SqlStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.store.engine.BUSY_TIMEOUT_S", 0.05)
    with _another_writes(tmp_path), pytest.raises(errors.StoreFailure, match="locked"):
        await _add(store, "late")

    await _add(store, "after")
    assert await _jobs(store) == ["after"]


async def _nobody_writes(store: SqlStore) -> None:
    assert store._group is not None
    async with store._group.alone():
        pass


async def test_those_who_wait_together_for_a_file_hear_together_that_they_do_not_get_it(
    store: SqlStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.store.engine.BUSY_TIMEOUT_S", 0.05)
    tried, lock = [], drivers.lock

    async def counted(driver: sqlite3.Connection, patience_s: float) -> None:
        tried.append(patience_s)
        await lock(driver, patience_s)

    monkeypatch.setattr(drivers, "lock", counted)
    with _another_writes(tmp_path):
        ends = await asyncio.gather(
            *(_add(store, f"late {n}") for n in range(5)), _nobody_writes(store), return_exceptions=True
        )

    assert [type(end) for end in ends] == [*[errors.StoreFailure] * 5, type(None)]
    assert len(tried) == 2  # the first found no waiter; the four after it fail together
    await asyncio.gather(*(_add(store, f"after {n}") for n in range(5)))
    assert await _jobs(store) == [f"after {n}" for n in range(5)]


class Traced:
    """Statements of the writer's connection since the last `take`, and the number of connections made."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made, self._ran = 0, list[str]()
        connect = sqlite3.dbapi2.connect

        # Any: what the driver itself is called with
        def traced(*arguments: Any, **keywords: Any) -> sqlite3.Connection:
            self.made += 1
            connection: sqlite3.Connection = connect(*arguments, **keywords)
            connection.set_trace_callback(self._ran.append)
            return connection

        monkeypatch.setattr(sqlite3.dbapi2, "connect", traced)

    def take(self) -> list[str]:
        ran, self._ran[:] = [words.split(None, 1)[0] for words in self._ran], ()
        return ran


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> Traced:
    return Traced(monkeypatch)


async def test_a_unit_that_comes_alone_opens_nothing_and_has_no_savepoint(
    traced: Traced, store: SqlStore
) -> None:
    """Around its own statements there are only the transaction and a look whether others wrote."""
    for name in ("first", "second"):  # a statement that is kept is prepared when it is asked for again
        await _add(store, name)
    connections = traced.made
    traced.take()

    await _add(store, "third")

    assert traced.take() == ["BEGIN", "PRAGMA", "INSERT", "COMMIT"]
    assert traced.made == connections


async def test_the_first_of_a_group_that_is_undone_takes_nobody_along(store: SqlStore) -> None:
    async def lost() -> None:
        async with store.begin(NORTH) as work:
            await work.jobs.add("pack", "lost")
            raise LookupError

    with _watched() as commits:
        outcomes = await asyncio.gather(
            lost(), _add(store, "first"), _add(store, "second"), return_exceptions=True
        )

    assert [type(outcome) for outcome in outcomes] == [LookupError, type(None), type(None)]
    assert await _jobs(store) == ["first", "second"]
    assert commits.counted >= 1


async def test_a_unit_that_wrote_nothing_costs_no_commit(store: SqlStore) -> None:
    with _watched() as commits:
        async with store.begin(NORTH):
            pass

    assert commits.counted == 0


async def test_between_two_units_the_file_is_free_for_other_programs(store: SqlStore, tmp_path: Path) -> None:
    """The connection stays open, and holds nothing: others write, shorten the log, and what they wrote is seen."""
    await _add(store, "first")
    with closing(sqlite3.connect(tmp_path / "node.db", timeout=0, isolation_level=None)) as other:
        other.execute("UPDATE job SET subject_id = 'theirs'")
        ((busy, _, _),) = other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    await _add(store, "second")

    assert busy == 0
    assert await _jobs(store) == ["second", "theirs"]


async def test_a_store_that_is_closed_in_the_middle_of_a_unit_keeps_what_is_committed(
    store: SqlStore, tmp_path: Path
) -> None:
    async with store.changing(NORTH) as work:
        await work.jobs.add("pack", "late")
        closing_it = asyncio.create_task(store.close())
        await asyncio.sleep(0)
    await within_limit(closing_it, "the store closes")

    assert _on_disk(tmp_path, "late")
