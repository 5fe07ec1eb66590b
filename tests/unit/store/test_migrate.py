"""Migrations go forward only, expand by themselves and contract when asked; the result is what the tables say."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import SQLModel

from gateway import errors
from gateway.domain.account import HostedAgency
from gateway.domain.queues import list_subject
from gateway.registry.tables import METADATA as REGISTRY
from gateway.store import migrate
from gateway.store.engine import EngineRole, open_engine
from gateway.store.migrate import MigrationStep
from gateway.store.migrations.versions import r0301_holds_marks_numbers_figures
from gateway.store.row import with_indexes
from gateway.store.store import SqlStore
from tests.support.clock import ManualClock
from tests.support.later_version import later_version
from tests.support.stores import NORTH, draft, outgoing


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the address of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'node.db'}"
    database: str = request.getfixturevalue("postgres_url")
    return database


@asynccontextmanager
async def migrating(url: str) -> AsyncIterator[AsyncConnection]:
    engine = open_engine(url, EngineRole.MIGRATOR)
    async with engine.begin() as connection:
        yield connection
    await engine.dispose()


async def set_revision(url: str, revision: str) -> None:
    async with migrating(url) as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = :to"), {"to": revision})


async def open_and_close(url: str) -> None:
    store = SqlStore(url, ManualClock())
    try:
        await store.open()
    finally:
        await store.close()


async def test_an_empty_database_is_brought_to_the_head_and_a_second_run_changes_nothing(url: str) -> None:
    """Every revision says whether it expands or contracts."""
    status = await migrate.status(url)
    first = await migrate.up(url)
    second = await migrate.up(url)

    assert status.current is None
    assert [int(step.revision) for step in status.pending] == [300 + n for n in range(len(status.pending))]
    assert {step.phase for step in status.pending} <= {"expand", "contract"}
    assert status.pending
    assert all(step.summary for step in status.pending)
    assert first == second == await migrate.status(url)
    assert (first.current, first.pending) == (first.head, ())


async def test_the_head_is_exactly_what_the_tables_say(url: str) -> None:
    await migrate.up(url)

    def compare(connection: Connection) -> list[object]:
        opts = {"compare_type": True, "include_object": is_no_search_index}
        context = MigrationContext.configure(connection, opts=opts)
        return list(compare_metadata(context, [*map(with_indexes, (SQLModel.metadata, REGISTRY))]))  # type: ignore[arg-type]  # also lists

    async with migrating(url) as connection:
        assert await connection.run_sync(compare) == []


def is_no_search_index(_: object, name: str | None, *more: object) -> bool:
    """Tell whether an index is none for searches: each database has its own, which the tables common to both do not
    name."""
    return not (name or "").removeprefix("ix_").startswith(("list_search", "content_search"))


def test_steps_that_databases_have_taken_do_not_change() -> None:
    """A database that took a step keeps its effect: a change of it is a further step."""
    folder = Path(migrate.__file__).parent / "migrations" / "versions"
    files = [file for file in sorted(folder.iterdir()) if file.is_file()]

    assert {file.name: hashlib.sha256(file.read_bytes()).hexdigest()[:16] for file in files} == STEPS


STEPS = {
    "r0300_baseline.py": "ec24162b42f692fa",
    "r0300_baseline_postgresql.sql": "9b158e1575f9547c",
    "r0300_baseline_sqlite.sql": "734d1082bdecf8db",
    "r0301_holds_marks_numbers_figures.py": "e3b1badd4238c45d",
    "r0302_second_secret_and_senders.py": "897ce75820f0acf0",
    "r0303_recipients.py": "0bafe20f1eee63f3",
    "r0304_witnesses.py": "0f444a04a2006056",
    "r0305_office_rules.py": "afcf21a1de0a3b03",
    "r0306_preservation.py": "a7f962d88247b6c7",
    "r0307_files_of_records.py": "5c9808742499831d",
    "r0308_links_and_retention.py": "4e2e10b72d53e0ee",
    "r0309_destruction.py": "7a92d27b9d447c84",
    "r0310_hand_over.py": "6f5ae7eac8f4e897",
    "r0311_content_in_a_bucket.py": "1bffb0ef1b5fdf50",
    "r0312_states_compared.py": "db98f3ba99d4ca71",
}


async def test_numbers_of_before_get_the_key_of_their_spellings(url: str) -> None:
    """Also where there are more rows than the step reads at once."""
    await migrate.up(url)
    clock = ManualClock()
    store = SqlStore(url, clock)
    await store.accounts.add_hosted(HostedAgency(id=NORTH.agency_id, code="Z91.01", name="North"))
    async with store.changing(NORTH) as unit:
        for number in ("07", "8", "9"):
            await unit.outgoing.add(outgoing(clock, draft=draft(number=number)))
    async with migrating(url) as connection:
        await connection.execute(text("UPDATE outgoing_document SET number_word = ''"))
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(r0301_holds_marks_numbers_figures, "_AT_ONCE", 2)
            await connection.run_sync(
                r0301_holds_marks_numbers_figures.fill_number_words, "outgoing_document"
            )

    async with store.read(NORTH) as view:
        numbers = [(await view.numbers.under(n, "ubnd-vp", 2026)) for n in ("7", "8", "9")]
    await store.close()
    assert [len(lines) for lines in numbers] == [1, 1, 1]


async def test_two_nodes_that_start_together_migrate_once(url: str) -> None:
    statuses = await asyncio.gather(migrate.up(url), migrate.up(url))

    assert statuses[0] == statuses[1]


async def test_a_new_database_that_somebody_is_writing_is_waited_for(tmp_path: Path) -> None:
    """SQLite does not wait by itself where the journal of a new file is to become another one."""
    file = tmp_path / "node.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("CREATE TABLE of_another (n)")
        asyncio.get_running_loop().call_later(0.2, other.execute, "COMMIT")

        status = await migrate.up(f"sqlite:///{file}")

    assert status.current == status.head


async def test_a_store_goes_on_working_while_the_schema_grows_under_it(url: str, tmp_path: Path) -> None:
    """Version N runs on schema N and N + 1: the next version's expand step adds, and takes nothing away."""
    await migrate.up(url)
    clock = ManualClock()
    store = SqlStore(url, clock)
    await store.accounts.add_hosted(HostedAgency(id=NORTH.agency_id, code="Z91.01", name="North"))

    async def work() -> None:
        async with store.changing(NORTH) as unit:
            await unit.outgoing.add(outgoing(clock))
            await unit.jobs.add("pack", "msg-1")
        await store.claim_jobs("pack", 1, 60)

    await work()
    with later_version(tmp_path / "later") as (wider, _):
        assert (await migrate.up(url)).current == wider
    await work()
    await open_and_close(url)

    async with store.read(NORTH) as view:
        assert len((await view.outgoing.page(limit=10)).items) == 2
    await store.close()


async def test_a_store_does_not_open_on_an_empty_or_older_schema(url: str, tmp_path: Path) -> None:
    with pytest.raises(errors.Misconfigured, match="gateway migrate up"):
        await open_and_close(url)
    head = (await migrate.up(url)).head
    with later_version(tmp_path / "later"):
        with pytest.raises(errors.Misconfigured, match=f"schema {head} and this version needs"):
            await open_and_close(url)
        await migrate.up(url)
        await open_and_close(url)  # what is left to contract does not matter


async def test_a_schema_of_before_the_baseline_is_refused_with_the_way_on(url: str) -> None:
    await migrate.up(url)
    await set_revision(url, "0225")

    for act in (open_and_close(url), migrate.status(url), migrate.up(url)):
        with pytest.raises(errors.Misconfigured, match="schema 0225 is of before 0300") as caught:
            await act
        assert "0.1.1705+8d5addc9 (schema 0226)" in caught.value.hint
        assert "0.1.764" not in caught.value.hint
    await set_revision(url, "0115")
    with pytest.raises(errors.Misconfigured) as caught:
        await migrate.up(url)
    assert "0.1.764+b4d9cb3f (schema 0116), then 0.1.1705+8d5addc9 (schema 0226)" in caught.value.hint


async def test_the_schema_that_the_baseline_stands_for_is_taken_over_as_it_is(url: str) -> None:
    async with migrating(url) as connection:
        await connection.run_sync(migrate.bring, "0300")
    await set_revision(url, "0226")

    with pytest.raises(errors.Misconfigured, match="gateway migrate up"):
        await open_and_close(url)
    old_status, new_status = await migrate.status(url), await migrate.up(url)
    await open_and_close(url)

    assert (old_status.current, [step.revision for step in old_status.pending][:1]) == ("0226", ["0300"])
    assert (new_status.current, new_status.pending) == (new_status.head, ())


async def test_the_next_version_widens_by_itself_and_takes_away_on_request(url: str, tmp_path: Path) -> None:
    await migrate.up(url)
    with later_version(tmp_path / "later") as (wider, narrower):
        widened = await migrate.up(url)
        repeated = await migrate.up(url)
        narrowed = await migrate.up(url, contract=True)

    assert (widened.current, [step.revision for step in widened.pending]) == (wider, [narrower])
    assert repeated == widened
    assert (narrowed.current, narrowed.pending) == (narrower, ())


async def test_a_step_that_fails_leaves_nothing_of_those_before_it(url: str, tmp_path: Path) -> None:
    status = await migrate.up(url)
    async with migrating(url) as connection:
        await connection.execute(text("ALTER TABLE queue_sample RENAME TO elsewhere"))
    with later_version(tmp_path / "later"), pytest.raises(errors.StoreFailure, match="nothing was applied"):
        await migrate.up(url, contract=True)
    async with migrating(url) as connection:
        columns = await connection.run_sync(lambda sync: inspect(sync).get_columns("job"))

    assert await migrate.status(url) == status
    assert "priority" not in {column["name"] for column in columns}


async def test_a_store_opens_on_its_own_schema_and_on_the_next_one_only(url: str) -> None:
    head = int((await migrate.up(url)).head)
    await open_and_close(url)

    await set_revision(url, f"{head + 1:04}")
    await open_and_close(url)

    await set_revision(url, f"{head + 2:04}")
    with pytest.raises(errors.Misconfigured, match="newer version"):
        await open_and_close(url)


def test_contract_steps_wait_until_they_are_asked_for() -> None:
    steps = tuple(
        MigrationStep(revision=f"{n:04}", phase=phase, summary="x")
        for n, phase in enumerate(("expand", "expand", "contract", "expand"), start=1)
    )
    status = migrate.SchemaStatus(current=None, head="0004", pending=steps)

    assert migrate.target(status, contract=False) == "0002"
    assert migrate.target(status, contract=True) == "0004"
    widened = migrate.SchemaStatus(current="0002", head="0004", pending=steps[2:])
    assert migrate.target(widened, contract=False) is None


async def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "node.db").write_bytes(b"something else, and long enough to be looked at" * 50)
    url = f"sqlite:///{tmp_path / 'node.db'}"

    with pytest.raises(errors.Misconfigured, match=r"database\.url"):
        await open_and_close(url)
    with pytest.raises(errors.Misconfigured, match=r"database\.url"):
        await migrate.status(url)
    with pytest.raises(errors.StoreFailure):
        await migrate.up(url)


async def test_the_documents_of_each_agency_are_judged_again_by_two_jobs(url: str) -> None:
    """A new database has none."""
    revisions = [step.revision for step in migrate.steps()]
    async with migrating(url) as connection:
        await connection.run_sync(migrate.bring, revisions[revisions.index("0301") - 1])
        await connection.execute(text("INSERT INTO hosted_agency (id, code, body) VALUES ('a', 'Z91', '{}')"))
    await migrate.up(url)

    async with migrating(url) as connection:
        rows = await connection.execute(text("SELECT agency_id, kind, subject_id, attempts FROM job"))
        assert sorted(map(tuple, rows)) == [
            ("a", "signatures", list_subject(side), 0) for side in ("in", "out")
        ]
