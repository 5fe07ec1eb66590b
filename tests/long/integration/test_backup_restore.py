"""A backup that is made while the node takes documents in is one consistent moment, comes back equal on either database,
and says so when it does not."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import MetaData, create_engine, select, text
from sqlmodel import col

from gateway import errors
from gateway.destroying import repeat_list
from gateway.domain.document import OutState
from gateway.domain.event import EventKind
from gateway.domain.identity import Digest
from gateway.domain.pace import SMALL
from gateway.ops import backup, backup_copy, backup_sample, backup_store, restore
from gateway.ops.backup_file import BackupManifest, Damaged
from gateway.pool import ThreadPool
from gateway.store import dump, migrate, restored
from gateway.store.blobs import NO_SWEEP, FileBlobs, path_of
from gateway.store.data_folder import merge_destroyed
from gateway.store.engine import EngineRole, open_engine
from gateway.store.folder_marks import MARK, read_mark
from gateway.store.store import SqlStore
from gateway.store.tables_node import FolderMarkRow
from tests.services.process import kept_ports
from tests.support.cases import Cases
from tests.support.clock import ManualClock
from tests.support.destruction import confirmed, worked_off
from tests.support.later_version import later_version
from tests.support.passphrases import make_cheap
from tests.support.services import missing
from tests.support.stored_content import Lying
from tests.support.stores import (
    NORTH,
    SOUTH,
    committing,
    copied,
    migrated,
    opened,
    outbox_item,
    outgoing,
    stored,
    with_agencies,
)
from tests.support.waiting import wait_until

WORDS = b"words that nobody guesses"


def _silent(step: str, count: int) -> None:
    """Ignore progress."""


# The largest content that is a row, and the smallest that is a file: `admit` takes them in turn.
IN_ROW, IN_FILE = 0, 1


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    make_cheap(monkeypatch)


@pytest.fixture(scope="module")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return migrated(tmp_path_factory.mktemp("blank"))


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return copied(request.getfixturevalue("blank"), tmp_path)
    database_url: str = request.getfixturevalue("migrated_postgres_url")
    return database_url


@dataclass(kw_only=True)
class Office:
    """A node's keeping places, and a driver that fills them."""

    url: str
    folder: Path
    store: SqlStore
    blobs: FileBlobs
    clock: ManualClock
    pool: ThreadPool
    in_pieces: bool

    @property
    def source(self) -> backup.BackupSource:
        return backup.BackupSource(
            node="north",
            database_url=self.url,
            content=self.folder / "content",
            keys=self.folder / "keys",
            trust=self.folder / "trust",
            settings=self.folder / "gateway.toml",
        )

    async def admit(self, n: int) -> Digest:
        """Keep content, then store a document with its reference and its event in one transaction, as accepting does."""
        data = os.urandom(SMALL + n % 2)
        digest = Digest(hashlib.sha256(data).hexdigest())
        with self.blobs.scratch() as scratch:
            scratch.file.write(data)
            blob = await self.blobs.keep(scratch, digest, len(data))
        document = outgoing(self.clock)
        async with committing(self.store) as work:
            await work.outgoing.add(document)
            await work.blobs.keep(blob, "document", document.id)
            await work.events.append(EventKind.MESSAGE_ACCEPTED, document.id, self.clock.now(), {"n": n})
        return digest

    async def back_up(self, tell: backup.Tell = _silent, name: str = "node") -> tuple[Path, BackupManifest]:
        target = self.folder / (f"copies/{name}.snapshot" if self.in_pieces else f"{name}.backup")
        return target, await backup.make(
            self.source, target, WORDS, self.clock, self.pool, tell, in_pieces=self.in_pieces
        )

    def target(self, folder: Path, url: str | None = None) -> restore.RestoreTarget:
        folder.mkdir(exist_ok=True)
        return restore.RestoreTarget(
            database_url=url or f"sqlite:///{folder / 'gateway.db'}",
            data_dir=folder,
            content=folder / "content",
            keys=folder / "keys",
            trust=folder / "trust",
        )

    async def put_back(self, file: Path, target: restore.RestoreTarget) -> restore.Restored:
        return await restore.restore(file, WORDS, target, self.clock, self.pool, _silent)

    async def prove(self, file: Path, url: str | None = None) -> restore.Restored:
        return await restore.drill(file, WORDS, self.folder, url, self.clock, self.pool, _silent)


@pytest.fixture(params=["in-one-file", "in-pieces"])
async def office(request: pytest.FixtureRequest, url: str, tmp_path: Path) -> AsyncIterator[Office]:
    clock, pool = ManualClock(), ThreadPool(2)
    folder = tmp_path / "office"
    (folder / "keys" / "Z91.01").mkdir(parents=True)
    (folder / "trust" / "chain").mkdir(parents=True)
    (folder / "keys" / "Z91.01" / "0123456789abcdef.key.pem").write_text("-----BEGIN PRIVATE KEY-----")
    (folder / "trust" / "ca.pem").write_text("an anchor")
    (folder / "gateway.toml").write_text('[node]\nname = "north"\n')
    try:
        async with with_agencies(url, clock) as store:
            blobs = FileBlobs(folder / "content", store, clock, pool)
            yield Office(
                url=url,
                folder=folder,
                store=store,
                blobs=blobs,
                clock=clock,
                pool=pool,
                in_pieces=request.param == "in-pieces",
            )
    finally:
        pool.close()


@asynccontextmanager
async def under_load(office: Office) -> AsyncIterator[list[Digest]]:
    """Let documents come in until the end of the block; the list grows with them."""
    admitted, finished = [await office.admit(n) for n in range(20)], asyncio.Event()

    async def drive() -> None:
        while not finished.is_set():
            admitted.append(await office.admit(len(admitted)))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(drive())
        try:
            yield admitted
        finally:
            finished.set()


async def intact(office: Office, target: restore.RestoreTarget, digests: Sequence[Digest]) -> list[Digest]:
    """Return the digests whose content lies in the restored node byte for byte, in a row or in a file."""
    async with opened(target.database_url, office.clock) as store:
        lying = Lying(store, target.content)
        present = [d for d in digests if await lying.is_there(d)]
        return [d for d in present if hashlib.sha256(await lying.read(d)).hexdigest() == d]


async def sums(url: str) -> dict[str, dump.Sum]:
    async with dump.snapshot(url) as view:
        return {shape.name: await view.sum(shape.name) for shape in view.shapes}


def everything(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


async def test_a_backup_under_load_is_one_moment_and_comes_back_equal(office: Office, tmp_path: Path) -> None:
    async with under_load(office) as admitted:
        least = len(admitted)
        file, manifest = await office.back_up()
        most = len(admitted)

    restored = await office.put_back(file, office.target(tmp_path / "new"))

    assert least < most, "nothing came in meanwhile, so nothing was proved"
    count = manifest.tables["outgoing_document"].rows
    assert least <= count <= most
    assert manifest.tables["event"].rows == manifest.tables["blob"].rows == count == manifest.contents
    assert manifest.lacks == {}
    assert restored.manifest == manifest
    assert await intact(office, office.target(tmp_path / "new"), admitted) == admitted[:count]


# Their rows are made by what they are about: content on the disk, and the restoring itself.
ELSEWHERE = {"blob", "blob_ref", "event", "event_counter"}
VALUES: dict[str, object] = {
    "boolean": True,
    "integer": 1,
    "moment": datetime(2026, 11, 20, 2, tzinfo=UTC),
    "date": date(2026, 11, 20),
    "bytes": b"x",
    "text": "x",
}


async def fill(url: str) -> set[str]:
    """Write one row into each table, alike in every text, so that whatever a key points at is there; return the tables."""
    engine = open_engine(url, EngineRole.MIGRATOR)
    try:
        async with engine.begin() as connection:
            tables = await connection.run_sync(dump.reflect_tables)
            filled = [t for t in tables.sorted_tables if t.name not in ELSEWHERE]
            for table in filled:
                row = {t.name: VALUES[dump.kind_of(t)] for t in table.columns}
                await connection.execute(table.insert().values(row))
    finally:
        await engine.dispose()
    return {t.name for t in filled}


async def test_every_table_that_there_is_comes_back_with_its_rows(office: Office, tmp_path: Path) -> None:
    """R101 (backup)."""
    filled = await fill(office.url)
    assert {"session", "post", "task_note", "registry_reform", "list_row", "paper_outgoing"} < filled
    file, manifest = await office.back_up()
    target = office.target(tmp_path / "new")

    await office.put_back(file, target)

    assert {name for name, table in manifest.tables.items() if table.rows} >= filled
    restored = await sums(target.database_url)
    assert {name: restored[name] for name in filled} == {name: manifest.tables[name] for name in filled}


async def set_revision(url: str, revision: str) -> None:
    engine = open_engine(url, EngineRole.WRITER)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = :to"), {"to": revision})
    await engine.dispose()


async def test_a_backup_of_the_version_before_is_brought_to_this_one(office: Office, tmp_path: Path) -> None:
    file, _ = await office.back_up()
    target = office.target(tmp_path / "new")

    with later_version(tmp_path / "later") as (wider, _):
        await office.put_back(file, target)
        schema = await migrate.status(target.database_url)

    assert schema.current == wider


def baseline_tables(file: Path) -> MetaData:
    """Return the tables and columns that the baseline has, without those of later steps."""
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        migrate.bring(connection, "0300")
        tables = dump.reflect_tables(connection)
    engine.dispose()
    return tables


async def test_a_backup_of_the_schema_that_the_baseline_stands_for_comes_back_as_one_of_today(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In databases that are older still, every owner of content stood in the table of owners, and none in its row."""
    digests = [await office.admit(n) for n in (IN_ROW, IN_FILE, IN_ROW)]
    async with committing(office.store, SOUTH) as work:
        for digest in digests[:2]:
            await work.blobs.add(digest, "document", "inb_1")
    engine = open_engine(office.url, EngineRole.MIGRATOR)
    async with engine.begin() as connection:
        await connection.execute(text("DELETE FROM blob_ref WHERE owner_id <> 'inb_1'"))
        await connection.execute(text("UPDATE blob SET agency_id = NULL, owner_kind = NULL, owner_id = NULL"))
    await engine.dispose()
    await set_revision(office.url, "0226")
    with monkeypatch.context() as older:
        older.setattr(migrate, "of_today", lambda revision: revision)
        tables = baseline_tables(tmp_path / "baseline.db")
        older.setattr(dump, "reflect_tables", lambda connection: tables)
        file, manifest = await office.back_up()
    target = office.target(tmp_path / "new")

    await office.put_back(file, target)

    schema = await migrate.status(target.database_url)
    assert (schema.current, schema.pending) == (schema.head, ())
    assert await intact(office, target, digests) == digests[:2]
    assert manifest.contents == 2, "what nobody owns was copied too"
    async with opened(target.database_url, office.clock) as store, store.read(SOUTH) as view:
        assert [await view.blobs.holds(digest) for digest in digests] == [True, True, False]


async def test_a_backup_of_before_the_baseline_is_refused_with_the_way_on(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await set_revision(office.url, "0225")
    with pytest.raises(errors.Misconfigured, match="0225 is of before 0300"):
        await office.back_up()
    with monkeypatch.context() as older:
        older.setattr(migrate, "of_today", lambda revision: revision)
        file, _ = await office.back_up()

    with pytest.raises(errors.Misconfigured, match="0225 is of before 0300") as caught:
        await office.put_back(file, office.target(tmp_path / "new"))

    assert caught.value.code == "GW-B-003"
    assert "back it up anew" in caught.value.hint


async def test_a_drill_proves_it_and_leaves_nothing(office: Office) -> None:
    """R101 (backup)."""
    async with under_load(office):
        file, manifest = await office.back_up()
    paths = everything(office.folder).keys()

    drill = await office.prove(file)

    assert (drill.manifest.rows, drill.files) == (manifest.rows, manifest.contents + 3)
    assert everything(office.folder).keys() == paths


async def test_what_one_database_wrote_the_other_holds_equal(
    office: Office, blank: Path, postgres_url: str, tmp_path: Path
) -> None:
    """Both ways: the other database is SQLite for PostgreSQL and PostgreSQL for SQLite."""
    for n in range(5):
        await office.admit(n)
    file, manifest = await office.back_up()
    other = postgres_url if office.url.startswith("sqlite") else None
    target = office.target(tmp_path / "new", other)

    await office.put_back(file, target)

    restored = await sums(target.database_url)
    assert {name: restored[name] for name in restored if name != "event"} == {
        name: table for name, table in manifest.tables.items() if name != "event"
    }
    assert restored["event"].rows == manifest.tables["event"].rows + 1  # that it was restored
    async with opened(target.database_url, office.clock) as store, store.begin(SOUTH) as work:
        await work.outgoing.add(outgoing(office.clock, scope=SOUTH))
        await work.events.append(EventKind.MESSAGE_ACCEPTED, "msg", office.clock.now())
        await work.commit()


async def test_a_drill_in_a_server_leaves_the_scratch_database_empty(
    office: Office, postgres_url: str
) -> None:
    await office.admit(1)
    file, _ = await office.back_up()

    await office.prove(file, postgres_url)
    await office.prove(file, postgres_url)  # a second one finds it as empty as the first did

    with pytest.raises(errors.Misconfigured, match="no schema"):
        await sums(postgres_url)


async def test_keys_trust_and_settings_come_back_and_are_not_readable_before(
    office: Office, tmp_path: Path
) -> None:
    file, _ = await office.back_up()
    new = tmp_path / "new"

    await office.put_back(file, office.target(new))

    assert b"PRIVATE KEY" not in file.read_bytes()
    assert file.stat().st_mode & 0o077 == 0
    marks = [read_mark(new / folder) for folder in ("keys", "content")]
    (new / "keys" / MARK).unlink()
    assert everything(new / "keys") == everything(office.folder / "keys")
    async with opened(f"sqlite:///{new / 'gateway.db'}", office.clock) as store, store.reading() as tx:
        restored_marks = [mark for (mark,) in await tx.tuples(select(col(FolderMarkRow.mark)))]
    assert sorted(restored_marks) == sorted(marks)
    assert all(len(mark) == 32 for mark in marks)
    assert everything(new / "trust") == everything(office.folder / "trust")
    assert (new / restore.SETTINGS_FILE).read_text() == (office.folder / "gateway.toml").read_text()
    for path in (new / "keys", new / "keys" / "Z91.01", new / "keys" / "Z91.01" / "0123456789abcdef.key.pem"):
        assert path.stat().st_mode & 0o077 == 0, path


async def test_leased_work_is_free_in_the_copy(office: Office, tmp_path: Path) -> None:
    item = outbox_item(office.clock)
    await stored(office.store, item)
    assert len(await office.store.claim_outbox(10, 600)) == 1
    file, _ = await office.back_up()
    target = office.target(tmp_path / "new")
    await office.put_back(file, target)

    async with opened(target.database_url, office.clock) as store:
        (claimed,) = await store.claim_outbox(10, 600)

    assert (claimed.item.id, claimed.lease.attempt) == (item.id, 2)


async def test_content_that_is_gone_or_damaged_is_named_and_the_rest_is_kept(
    office: Office, tmp_path: Path
) -> None:
    lying, good = Lying(office.store, office.source.content), list[Digest]()
    lacks: dict[Digest, str] = {}
    for n in (IN_ROW, IN_FILE):
        fine, lost, changed, short = [await office.admit(n) for _ in range(4)]
        await lying.lose(lost)
        await lying.change(changed, lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]))
        await lying.write(short, b"cut")
        good.append(fine)
        lacks |= {lost: "missing", changed: "damaged", short: "damaged"}

    file, manifest = await office.back_up()
    drill = await office.prove(file)

    assert manifest.lacks == lacks
    assert (drill.manifest.contents, drill.manifest.content_bytes) == (2, 2 * SMALL + IN_FILE)
    assert [await lying.is_there(digest) for digest in good] == [True, True]
    target = office.target(tmp_path / "new")
    await office.put_back(file, target)
    assert await intact(office, target, [*good, *lacks]) == good


async def test_content_that_was_let_go_meanwhile_is_no_damage(office: Office) -> None:
    """Between the copy of the rows and of the files the last reference may go, and the sweeper takes the file."""
    digest = await office.admit(IN_FILE)
    path_of(office.source.content, digest).unlink()

    async def drop() -> None:
        async with opened(office.url, ManualClock()) as store, store.begin(NORTH) as work:
            (document,) = (await work.outgoing.page(limit=1)).items
            await work.blobs.drop("document", document.id)
            await work.commit()

    def let_go(step: str, count: int) -> None:
        if step == "content":  # the rows are copied, and with them the reference
            with ThreadPoolExecutor(1) as other:
                other.submit(asyncio.run, drop()).result()

    _, manifest = await office.back_up(tell=let_go)

    assert manifest.lacks == {digest: "released"}


async def test_nothing_is_swept_while_the_rows_are_copied_however_long_that_takes(office: Office) -> None:
    await office.admit(IN_FILE)
    word = office.source.content / NO_SWEEP
    renewed: dict[str, bool] = {}

    def an_hour_passes(step: str, count: int) -> None:
        if count:
            renewed[step] = word.stat().st_mtime > 0
        os.utime(word, (0, 0))

    await office.back_up(tell=an_hour_passes)

    assert renewed.keys() >= {"outgoing_document", "event", "content"}
    assert all(renewed.values()), renewed


async def test_a_changed_byte_is_named_and_nothing_is_restored(office: Office, tmp_path: Path) -> None:
    for n in range(60):
        await office.admit(n)
    file, _ = await office.back_up()
    original = file.read_bytes()
    target = office.target(tmp_path / "new")
    for place in (0, 9, 30, 0.2, 0.5, 0.8, -40, -1):
        at = int(len(original) * place) if isinstance(place, float) else place % len(original)
        file.write_bytes(original[:at] + bytes([original[at] ^ 0x20]) + original[at + 1 :])

        with pytest.raises(Damaged, match="byte"):
            await office.put_back(file, target)

        leftovers = {Path(name).name for name in everything(target.data_dir)}
        assert leftovers <= {"gateway.db", "gateway.db-wal", "gateway.db-shm"}, place
    file.write_bytes(original)
    for piece in sorted(file.parent.glob("pieces/*/*"))[::12]:
        content = piece.read_bytes()
        at = len(content) // 2
        for changed in (content[:at] + bytes([content[at] ^ 0x20]) + content[at + 1 :], content[:-1], None):
            piece.unlink()
            if changed is not None:
                piece.write_bytes(changed)

            with pytest.raises(Damaged, match=f"piece {piece.name} of the backup is"):
                await office.put_back(file, target)

            assert {Path(name).name for name in everything(target.data_dir)} <= {
                "gateway.db",
                "gateway.db-wal",
                "gateway.db-shm",
            }
            piece.write_bytes(content)
    await office.put_back(file, target)  # what failed left nothing in the way


async def test_another_passphrase_is_told_a_used_node_never_restored_into_and_a_backup_never_overwritten(
    office: Office, tmp_path: Path
) -> None:
    file, _ = await office.back_up()

    with pytest.raises(Damaged, match="passphrase does not open"):
        await restore.restore(
            file,
            b"other words altogether",
            office.target(tmp_path / "new"),
            office.clock,
            office.pool,
            _silent,
        )

    with_rows = restore.RestoreTarget(
        database_url=office.url,
        data_dir=tmp_path,
        content=tmp_path / "c",
        keys=tmp_path / "k",
        trust=tmp_path / "t",
    )
    with_content = office.target(tmp_path / "new")
    (with_content.content / "aa").mkdir(parents=True)

    with pytest.raises(errors.Clash, match="has rows"):
        await office.put_back(file, with_rows)
    with pytest.raises(errors.Clash, match="holds aa"):
        await office.put_back(file, with_content)

    original = file.read_bytes()

    with pytest.raises(errors.Clash, match="never overwrites"):
        await office.back_up()

    assert file.read_bytes() == original
    assert [path.name for path in office.folder.glob(".*")] == []


@pytest.mark.parametrize("office", ["in-pieces"], indirect=True)
async def test_what_an_earlier_backup_has_is_not_written_again_and_each_comes_back_without_the_others(
    office: Office, tmp_path: Path
) -> None:
    folder = office.folder / "copies"
    nights: list[tuple[Path, BackupManifest, list[Digest]]] = []
    digests: list[Digest] = []
    for night in range(3):
        office.clock.advance(timedelta(days=1))
        digests += [await office.admit(n) for n in (IN_ROW, IN_FILE) * 20]
        file, manifest = await office.back_up(name=f"north-{night}")
        nights.append((file, manifest, list(digests)))

    added = [manifest.new_bytes for _, manifest, _ in nights]
    a_night = 40 * SMALL
    # Beside the new content, the last part of the rows is written again, because it has grown.
    assert all(a_night <= size <= 1.05 * a_night + 2 * backup.USUAL_PART for size in added), (added, a_night)
    for n, (file, _, night_digests) in enumerate(nights):
        drilled = await office.prove(file)
        assert drilled.manifest.contents == len(night_digests), n

    size_before = backup_store.size_of(nights[1][0])
    # Two of three are deleted, without what the second one needs of the first.
    deleted = backup_store.delete(folder, [nights[0][0], nights[2][0]])
    assert deleted >= 20, "of the third night's content nothing went"
    assert backup_store.size_of(nights[1][0]) == size_before
    assert {path.name for path in folder.glob("north*")} == {"north-1.snapshot", "north-1.pieces"}
    target = office.target(tmp_path / "new")
    await office.put_back(nights[1][0], target)
    assert await intact(office, target, digests) == nights[1][2]
    assert backup_store.delete(folder, []) == 0, "something needed was deleted, or something else was not"


@pytest.mark.parametrize("office", ["in-pieces"], indirect=True)
async def test_a_backup_that_breaks_off_leaves_none_and_what_it_wrote_goes_with_the_next_deletion(
    office: Office,
) -> None:
    digests = [await office.admit(IN_FILE) for _ in range(3)]

    def break_off(step: str, count: int) -> None:
        if step == "content" and count:
            raise errors.StoreFailure("the power went")

    with pytest.raises(errors.StoreFailure, match="the power went"):
        await office.back_up(tell=break_off)

    folder = office.folder / "copies"
    pieces = [path for path in folder.glob("pieces/*/*") if path.is_file()]
    assert len(pieces) >= len(digests)
    assert [path.name for path in folder.glob("*.snapshot")] == []
    assert backup_store.delete(folder, []) == len(pieces)
    file, manifest = await office.back_up()
    assert (await office.prove(file)).manifest == manifest


@pytest.mark.parametrize("office", ["in-pieces"], indirect=True)
async def test_what_a_folder_of_backups_lacks_is_told_and_nothing_is_deleted(office: Office) -> None:
    await office.admit(IN_FILE)
    file, _ = await office.back_up()
    pieces = everything(file.parent / "pieces").keys()

    names = backup_store.names_file(file)
    content = names.read_bytes()
    names.unlink()
    with pytest.raises(Damaged, match=r"node\.pieces is missing.*nothing was deleted"):
        backup_store.delete(file.parent, [])
    assert everything(file.parent / "pieces").keys() == pieces
    names.write_bytes(content)

    key = file.parent / "key.age"
    key.rename(file.parent / "elsewhere")
    with pytest.raises(Damaged, match=r"key\.age is missing"):
        await office.prove(file)
    with pytest.raises(Damaged, match=r"key\.age is missing, and there are pieces"):
        await office.back_up(name="later")
    (file.parent / "elsewhere").rename(key)

    (file.parent / "pieces" / sorted(pieces)[0]).unlink()
    with pytest.raises(Damaged, match=r"1 pieces of node\.snapshot are missing"):
        await office.prove(file)

    new = office.folder / "copies-of-two"
    with backup_store.alone(new):
        with pytest.raises(errors.Clash, match="is running"):
            backup_store.delete(new, [])
        with pytest.raises(errors.Clash, match="is running"):
            await office.back_up(name="../copies-of-two/second")
    assert not (new / "key.age").exists(), "the second one gave the folder a key of its own"


@pytest.mark.parametrize("office", ["in-pieces"], indirect=True)
@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_a_sample_opens_what_is_new_and_a_share_of_the_rest_and_names_what_is_missing_or_changed(
    office: Office, cases: Cases
) -> None:
    for n in range(40):
        await office.admit(n)
    file, _ = await office.back_up()
    written_at = datetime.now(UTC) - timedelta(days=2)
    pieces = [path for path in file.parent.glob("pieces/*/*") if path.is_file()]
    for piece in pieces:
        os.utime(piece, (written_at.timestamp(),) * 2)

    def sample(percent: float, since: datetime | None = None) -> backup_sample.Sample:
        return backup_sample.read_sample(file, WORDS, percent, since, _silent)

    a_day_ago = written_at + timedelta(days=1)
    with cases.case("all, for the first time"):
        # The list of content is read at any rate.
        assert sample(0).opened == sample(0).pieces == len(pieces) - 1
    with cases.case("nothing is new"):
        assert sample(0, a_day_ago).opened == 0
    with cases.case("a share"):
        assert 0 < sum(sample(30, a_day_ago).opened for _ in range(10)) < 7 * len(pieces)
    with cases.case("what is new"):
        os.utime(pieces[0])
        assert sample(0, a_day_ago).opened == 1
    content, other = [path for path in pieces if SMALL < path.stat().st_size < SMALL + 1000][:2]
    right = content.read_bytes()
    for label, data, since, message in (
        ("one byte", right[:-9] + bytes([right[-9] ^ 1]) + right[-8:], a_day_ago, "is damaged"),
        ("another piece in its place", other.read_bytes(), a_day_ago, "does not hold what its manifest says"),
        (
            "cut off, seen without opening it",
            right[:SMALL],
            datetime.now(UTC) + timedelta(days=1),
            "is shorter",
        ),
    ):
        with cases.case(label):
            content.write_bytes(data)
            with pytest.raises(Damaged, match=message):
                sample(0, since)
    with cases.case("a piece that is missing"):
        content.unlink()
        with pytest.raises(Damaged, match="is missing"):
            sample(0, a_day_ago)


async def rclone(*words: str) -> int:
    process = await asyncio.create_subprocess_exec("rclone", *words, stdout=DEVNULL, stderr=DEVNULL)
    return await process.wait()


@pytest.fixture
async def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """Serve a folder by SFTP, and name it for rclone."""
    if shutil.which("rclone") is None:
        missing("rclone is not installed")
    (tmp_path / "elsewhere").mkdir()
    with kept_ports(1) as (port,):
        words = ("serve", "sftp", str(tmp_path / "elsewhere"), "--no-auth", "--addr", f"127.0.0.1:{port}")
        server = await asyncio.create_subprocess_exec("rclone", *words, stderr=DEVNULL)
        remote = {"TYPE": "sftp", "HOST": "127.0.0.1", "PORT": str(port), "USER": "any"}
        # `rclone obscure any`; without a password it asks an agent.
        for name, value in {**remote, "PASS": "nRgRPVEQGitN8DY40xWv1cDxqQ"}.items():
            monkeypatch.setenv(f"RCLONE_CONFIG_OFF_{name}", value)

        async def serves() -> bool:
            return await rclone("lsd", "off:") == 0

        try:
            await wait_until(serves, "SFTP")
            yield "off:copies"
        finally:
            server.terminate()
            await server.wait()


@pytest.mark.parametrize("office", ["in-pieces"], indirect=True)
@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_a_copy_elsewhere_has_what_the_folder_has_and_is_never_emptied_with_it(
    office: Office, tmp_path: Path, place: str
) -> None:
    folder, elsewhere = office.folder / "copies", tmp_path / "elsewhere" / "copies"

    def contents(root: Path) -> dict[str, bytes]:
        return {name: data for name, data in everything(root).items() if not Path(name).name.startswith(".")}

    nights = []
    for night in range(2):
        for n in range(4):
            await office.admit(n)
        nights.append((await office.back_up(name=f"north-{night}"))[0])
        await backup_copy.copy(folder, place)
        assert contents(elsewhere) == contents(folder)

    backup_store.delete(folder, nights[:1], has_copy=True)
    needed = next(
        name for name in (folder / backup_store.DELETED).read_text().splitlines() if "pieces/" in name
    )
    (folder / needed).write_bytes((elsewhere / needed).read_bytes())  # a later backup wrote this piece again
    await backup_copy.copy(folder, place)
    assert contents(elsewhere) == contents(folder)
    assert not (folder / backup_store.DELETED).exists()

    shutil.rmtree(folder / "pieces")
    await backup_copy.copy(folder, place)
    assert await rclone("copy", place, str(folder)) == 0
    assert (await office.prove(nights[1])).manifest.contents == 8

    with pytest.raises(errors.StoreFailure, match=r"rclone copy .* failed: .*nowhere"):
        await backup_copy.copy(folder, "nowhere:copies")
    with pytest.raises(errors.Misconfigured, match="the name of a place"):
        await backup_copy.copy(folder, "--delete-excluded")


async def test_a_restored_node_waits_until_two_people_confirmed_it(office: Office, tmp_path: Path) -> None:
    file, _ = await office.back_up()
    target = office.target(tmp_path / "new")
    await office.put_back(file, target)

    async with opened(target.database_url, office.clock) as store:
        with pytest.raises(errors.Misconfigured, match="nobody has confirmed"):
            await restored.refuse_unconfirmed(store)
        await restored.confirm(store, office.clock, "incoming", 2026, {NORTH.agency_id: 41}, ("A", "B"))
        await restored.refuse_unconfirmed(store)
        async with store.begin(NORTH) as work:
            assert await work.register.next_number("incoming", 2026) == 42
        with pytest.raises(errors.Clash):
            await restored.confirm(store, office.clock, "incoming", 2026, {}, ("A", "B"))


def test_word_of_the_last_backup_keeps_what_was_verified(tmp_path: Path) -> None:
    first, second = datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC)
    backup.note(tmp_path, tmp_path / "a", first, verified_at=first)
    backup.note(tmp_path, tmp_path / "b", second)

    assert backup.read_last(tmp_path) == {
        "at": second.isoformat(),
        "path": str(tmp_path / "b"),
        "first_at": first.isoformat(),
        "verified_at": first.isoformat(),
        "new_bytes": None,
    }


async def issue(office: Office, n: int) -> Digest:
    """Store a letter that was sent, with its envelope."""
    data = os.urandom(SMALL + n % 2)
    digest = Digest(hashlib.sha256(data).hexdigest())
    with office.blobs.scratch() as scratch:
        scratch.file.write(data)
        blob = await office.blobs.keep(scratch, digest, len(data))
    letter = outgoing(office.clock, envelope_digest=digest, state=OutState.PACKED)
    async with committing(office.store) as work:
        await work.outgoing.add(letter)
        await work.blobs.keep(blob, "envelope", letter.id)
    return digest


async def test_a_copy_of_before_a_destruction_destroys_again_and_backups_lose_the_content_with_their_age(
    office: Office, tmp_path: Path
) -> None:
    """R102 (destruction by decision)."""
    digests = [await issue(office, n) for n in (IN_ROW, IN_FILE)]
    earlier, _ = await office.back_up(name="earlier")
    office.clock.advance(timedelta(days=900))
    await confirmed(office.store, office.clock, NORTH, "Letter")
    await worked_off(office.store, office.clock, office.pool, office.blobs, office.folder)
    assert not [
        digest for digest in digests if await Lying(office.store, office.source.content).is_there(digest)
    ]
    await office.back_up(name="later")
    merge_destroyed(office.folder, earlier.parent)

    target = office.target(tmp_path / "new")
    await office.put_back(earlier, target)
    assert await intact(office, target, digests) == digests
    merge_destroyed(earlier.parent, target.data_dir)
    async with opened(target.database_url, office.clock) as store:
        count = await repeat_list(store, office.clock, office.pool, target.data_dir, target.content)
    assert count == len(digests)
    assert await intact(office, target, digests) == []

    if office.in_pieces:
        pieces = backup_store.BackupStore.open(earlier.parent, WORDS)
        assert pieces.has(digests[IN_FILE])
        backup_store.delete(earlier.parent, [earlier])
        assert not pieces.has(digests[IN_FILE])
