"""Migrations go forward only, expand by themselves and contract when asked; the result is what the tables say."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import SQLModel

from gateway import errors
from gateway.domain.account import AgencyScope, HostedAgency
from gateway.office.store.store import SqlOfficeStore
from gateway.pool import ThreadPool
from gateway.registry.tables import METADATA as REGISTRY
from gateway.store import migrate
from gateway.store.blobs import FileBlobs
from gateway.store.engine import EngineRole, open_engine
from gateway.store.migrate import MigrationStep
from gateway.store.row import with_indexes
from tests.support import former_content
from tests.support.clock import ManualClock
from tests.support.later_version import later_version
from tests.support.stored_content import Lying
from tests.support.stores import NORTH, SOUTH, committing, opened, outgoing


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
    store = SqlOfficeStore(url, ManualClock())
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
    assert [int(step.revision) for step in status.pending] == [200 + n for n in range(len(status.pending))]
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
    "r0200_baseline.py": "fd6c73c06e5aae27",
    "r0200_baseline_postgresql.sql": "cd738bc1a86d2f88",
    "r0200_baseline_sqlite.sql": "51ab00c6b2be126e",
    "r0201_small_content_in_one_row.py": "303d4faf5a99de79",
    "r0202_no_second_place_for_small_content.py": "f803acd5de93830a",
    "r0203_lists_written_beside_units.py": "0acb4c44cdb5a957",
    "r0204_acts_that_can_be_undone.py": "99928b01b71af129",
    "r0205_units_as_a_list.py": "e723fd3d8de34106",
    "r0206_comments_on_letters.py": "1f0876c7309ffa5a",
    "r0207_words_of_files.py": "8b2cce7a48b012ac",
    "r0208_words_of_files_by_time.py": "1b32302eb1bcba25",
    "r0209_ends_of_codes.py": "fa3fba890241d2a8",
    "r0210_answers_about_pdf_signers.py": "10c3d0ded2a0b4d7",
    "r0211_delegated_bindings.py": "ed74d87550b72432",
    "r0212_who_set_a_profile.py": "7fde2f535ceeab42",
    "r0213_seals_of_agencies.py": "b7bfaade13cff6ba",
    "r0214_lists_of_foreign_axes.py": "7a46804e724744dc",
    "r0215_figures.py": "b230f8ed88c38d19",
    "r0216_numbers_of_outgoing_documents.py": "333ba3d9eb97b21d",
    "r0217_reminders_of_the_node.py": "b29e756864f29242",
    "r0218_contact_of_an_agency.py": "6c089db6029e75ab",
    "r0219_node_that_takes_over_a_code.py": "005983a8b9fa91b8",
    "r0220_changes_of_rights_that_wait.py": "2de2d6acd40d39fe",
    "r0221_reminders_and_work_files.py": "6d6fb03481bf2cd5",
    "r0222_report_schedules.py": "a6ee1e988879104a",
    "r0223_requests_about_accounts.py": "7b8b531dea12dc18",
    "r0224_receipts_of_lists.py": "1e1863d4f6ee1824",
    "r0225_emblems_of_agencies.py": "17cf9099f7643619",
    "r0226_types_of_outgoing_documents.py": "81fdd870ea771697",
}


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
    store = SqlOfficeStore(url, clock)
    await store.accounts.add_hosted(HostedAgency(id=NORTH.agency_id, code="Z91.01", name="North"))

    async def work() -> None:
        async with store.begin(NORTH) as unit:
            await unit.outgoing.add(outgoing(clock))
            await unit.jobs.add("pack", "msg-1")
            await unit.commit()
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
    await set_revision(url, "0115")

    for act in (open_and_close(url), migrate.status(url), migrate.up(url)):
        with pytest.raises(errors.Misconfigured, match="schema 0115 is of before 0200") as caught:
            await act
        assert "0116" in caught.value.hint


async def test_the_schema_that_the_baseline_stands_for_is_taken_over_as_it_is(url: str) -> None:
    async with migrating(url) as connection:
        await connection.run_sync(migrate.bring, "0200")
    await set_revision(url, "0116")

    with pytest.raises(errors.Misconfigured, match="gateway migrate up"):
        await open_and_close(url)
    old_status, new_status = await migrate.status(url), await migrate.up(url)
    await open_and_close(url)

    assert (old_status.current, [step.revision for step in old_status.pending][:1]) == ("0116", ["0200"])
    assert (new_status.current, new_status.pending) == (new_status.head, ())


async def test_the_next_version_widens_by_itself_and_takes_away_when_asked(url: str, tmp_path: Path) -> None:
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


async def test_content_of_before_it_had_one_row_is_read_kept_and_let_go_like_any_other(
    url: str, tmp_path: Path, pool: ThreadPool
) -> None:
    clock, folder = ManualClock(), tmp_path / "content"
    former = await former_content.fill(url, folder, clock)
    shared, large = former_content.digest_of(former.shared), former_content.digest_of(former.large)
    await migrate.up(url)

    async with opened(url, clock) as store:
        blobs = FileBlobs(folder, store, clock, pool)

        async def read(scope: AgencyScope, content: bytes) -> bytes:
            async with store.read(scope) as view:
                opener = await blobs.open(view, former_content.digest_of(content))
            with opener() as file:
                return file.read()

        for content in (former.shared, former.small, former.large):
            assert await read(NORTH, content) == content
        assert await read(SOUTH, former.shared) == former.shared
        with pytest.raises(errors.NotFound):
            await read(SOUTH, former.large)
        async with committing(store) as work:
            assert (await work.blobs.of_owner("document", "msg-1"))[large] == len(former.large)
            assert await work.blobs.count_other_owners(shared, "hld_1") == 2
            await work.blobs.keep(blobs.keep_small(shared, former.shared), "document", "msg-2")
            await work.blobs.drop("document", "msg-1")
        clock.advance(timedelta(hours=25))
        assert (
            await blobs.sweep(clock.now()) == 3
        )  # content without an owner, and released content but for the shared one
        assert await read(NORTH, former.shared) == await read(SOUTH, former.shared) == former.shared
        for scope, owner in ((NORTH, "msg-2"), (SOUTH, "msg-1")):
            async with committing(store, scope) as work:
                await work.blobs.drop("document", owner)
        await blobs.forget([shared])
        assert not await Lying(store, folder).is_there(shared)
    if url.startswith("sqlite"):
        everything = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        assert [words for words in (b"shared words", b"words of nobody") if words in everything] == []


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


async def test_the_list_of_units_begins_with_those_that_posts_and_parts_name(
    url: str,
) -> None:
    """The texts on posts stay as they are; a post of the node has no unit of an agency. An agency whose programs alone name
    units has no list, so that they may go on naming others."""
    async with migrating(url) as connection:
        await connection.run_sync(migrate.bring, "0203")
        for statement in (
            "INSERT INTO hosted_agency (id, code, body) VALUES ('agy_1', 'Z91.01', '{}')",
            "INSERT INTO principal (id, kind, name, owner) VALUES ('prn_1', 'person', 'An', '')",
            "INSERT INTO person (id, folded, name, roles, added_by, added_at, roles_by, roles_at, last_step, failures) "
            "VALUES ('prn_1', 'an', 'An', '[]', 'x', '2026-11-20', 'x', '2026-11-20', 0, 0)",
            "INSERT INTO post (person_id, agency_id, role, unit, given_by, given_at) "
            "VALUES ('prn_1', 'agy_1', 'officer', 'Phòng Tổng hợp', 'x', '2026-11-20')",
            "INSERT INTO post (person_id, agency_id, role, unit, given_by, given_at) "
            "VALUES ('prn_1', '', 'auditor', 'Không có', 'x', '2026-11-20')",
            "INSERT INTO hosted_agency (id, code, body) VALUES ('agy_2', 'Z91.02', '{}')",
            "INSERT INTO incoming_document (agency_id, id, inbox_id, kind, sender_code, sender_folded, document_id, state, "
            "number, symbol, arrived_at, version, folded, body) SELECT id, 'inc', 'i', 'edoc', 'Z91', '', 'd', 'assigned', "
            "'1', 'S', '2026-11-20', 1, '', '{}' FROM hosted_agency",
            "INSERT INTO unit_part (agency_id, id, document_id, unit, unit_key, is_lead, given_by, given_at, state) "
            "SELECT id, 'prt', 'inc', 'Tổ một cửa', 'to mot cua', true, 'x', '2026-11-20', 'open' FROM hosted_agency",
        ):
            await connection.execute(text(statement))
    await migrate.up(url)

    async with migrating(url) as connection:
        rows = await connection.execute(
            text("SELECT agency_id, name, name_key, closed_at FROM unit ORDER BY position")
        )
        posts = await connection.execute(text("SELECT unit FROM post ORDER BY unit"))
    assert rows.all() == [
        ("agy_1", "Phòng Tổng hợp", "phong tong hop", None),
        ("agy_1", "Tổ một cửa", "to mot cua", None),
    ]
    assert posts.scalars().all() == ["Không có", "Phòng Tổng hợp"]
