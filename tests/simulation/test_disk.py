"""A power cut takes what was not synced; what a node relies on must be synced before."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import pytest

from gateway.atomic_files import sync_folder, write_file
from gateway.folder.places import Place
from gateway.store.folder_marks import read_mark, write_mark
from gateway.trust import seals
from gateway.trust.keys import KeyDirectory
from tests.simulation.disk import Disk, watched
from tests.simulation.loop import Owner, context_of

T = TypeVar("T")


class Worst:
    """A disk after a power cut that keeps nothing of what was not synced."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.disk = Disk(folder, "worst")
        self.disk.lost_share = 1.0
        self.owner = Owner("node")
        self.owner.disk = self.disk
        self.opened: list[sqlite3.Connection] = []  # kept, since the last one that closes empties the log

    def run(self, work: Callable[[], T]) -> T:
        with watched():
            return context_of(self.owner).run(work)

    def after_power_cut(self) -> Path:
        image = self.folder.with_name("after")
        self.disk.image(image, power_fails=True)
        return image


@pytest.fixture
def worst(tmp_path: Path) -> Worst:
    return Worst(tmp_path / "node")


def test_a_file_that_was_not_synced_is_lost(worst: Worst) -> None:
    worst.run(lambda: (worst.folder / "note").write_text("words"))
    assert not (worst.after_power_cut() / "note").exists()


@pytest.mark.parametrize(("synchronous", "count"), [("FULL", 1), ("NORMAL", 0)])
def test_a_commit_that_was_not_synced_is_lost(worst: Worst, synchronous: str, count: int) -> None:
    def commit() -> sqlite3.Connection:
        file = sqlite3.connect(worst.folder / "gateway.db", isolation_level=None)
        for words in ("journal_mode = WAL", "wal_autocheckpoint = 0", f"synchronous = {synchronous}"):
            file.execute(f"PRAGMA {words}")
        file.execute("CREATE TABLE note (words)")
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        file.execute("INSERT INTO note VALUES ('accepted')")
        return file

    open_file = worst.run(commit)
    image = sqlite3.connect(worst.after_power_cut() / "gateway.db")
    assert image.execute("SELECT count(*) FROM note").fetchone() == (count,)
    image.close()
    open_file.close()


def test_a_synced_file_whose_times_are_set_is_kept(worst: Worst) -> None:
    def work() -> None:
        write_file(worst.folder / "note", b"words")
        sync_folder(worst.folder)
        os.utime(worst.folder / "note", (1, 1))

    worst.run(work)
    assert (worst.after_power_cut() / "note").read_bytes() == b"words"


def test_a_moved_folder_keeps_what_was_synced_in_it(worst: Worst) -> None:
    def work() -> None:
        (worst.folder / "draft").mkdir()
        write_file(worst.folder / "draft" / "note", b"words")
        with Place.open_root(worst.folder) as place:
            with place.within("draft") as draft:
                draft.flush()
            place.move("draft", place, "done")

    worst.run(work)
    assert (worst.after_power_cut() / "done" / "note").read_bytes() == b"words"


def test_what_was_shared_outlives_the_power_cut_of_a_later_answer(worst: Worst) -> None:
    """Two processes commit; the first hears of its commit last."""
    database = worst.folder / "queue.db"

    def commit(number: int) -> Callable[[], None]:
        worst.disk.begin_work()
        connection = sqlite3.connect(database, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE IF NOT EXISTS queue (number)")
        connection.execute("INSERT INTO queue VALUES (?)", (number,))
        worst.opened.append(connection)
        return worst.disk.end_work()

    first = worst.run(lambda: commit(1))
    second = worst.run(lambda: commit(2))
    second()
    first()
    with closing(sqlite3.connect(worst.after_power_cut() / "queue.db")) as image:
        assert image.execute("SELECT number FROM queue").fetchall() == [(1,), (2,)]


def test_the_key_of_the_log_outlives_a_power_cut(worst: Worst) -> None:
    """The database holds seals of it, which another key could never continue."""
    key = worst.run(lambda: seals.open_seal_key(worst.folder / "keys", None))
    assert seals.open_seal_key(worst.after_power_cut() / "keys", None).public == key.public


def test_a_marked_folder_outlives_a_power_cut(worst: Worst) -> None:
    """The database expects its mark from then on."""
    worst.run(lambda: write_mark(worst.folder / "content", "a mark"))
    assert read_mark(worst.after_power_cut() / "content") == "a mark"


def test_an_exchange_key_outlives_a_power_cut(worst: Worst) -> None:
    """Its request may be with the authority by then."""
    keys = worst.folder / "data" / "keys"
    entry = worst.run(lambda: KeyDirectory(keys, None).generate("Z91"))
    left_keys = KeyDirectory(worst.after_power_cut() / "data" / "keys", None)
    assert [key.key_id for key in left_keys.entries("Z91")] == [entry.key_id]
