"""A folder's files, remembered between looks: what comes, goes or takes another's place is seen at once, what is written
over in place soon."""

import os
import time
from pathlib import Path

import pytest

from gateway.trust.folder_stamps import FolderLook
from tests.support.waiting import block_until


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "one.pem").write_text("one")
    return tmp_path


def settled(folder: Path) -> None:
    """Date the folder an hour back."""
    past = time.time() - 3600
    os.utime(folder, (past, past))


def come(folder: Path) -> None:
    (folder / "two.pem").write_text("two")


def go(folder: Path) -> None:
    (folder / "one.pem").unlink()


def replace(folder: Path) -> None:
    (folder / "draft").write_text("another")
    (folder / "draft").replace(folder / "one.pem")


def test_what_changes_names_is_seen_at_once(folder: Path) -> None:
    """Also within one tick of the clock."""
    look = FolderLook(folder, ".pem")
    for is_quiet in (True, False):
        for change in (come, replace, go):
            (folder / "one.pem").write_text("one")
            (folder / "two.pem").unlink(missing_ok=True)
            if is_quiet:
                settled(folder)
            stamp_before = look.stamp()
            assert look.stamp() == stamp_before
            change(folder)
            assert look.stamp() != stamp_before


def test_what_is_written_over_in_place_is_seen_soon_and_no_folder_and_other_files_say_nothing(
    folder: Path,
) -> None:
    look = FolderLook(folder, ".pem")
    settled(folder)
    stamp_before = look.stamp()

    (folder / "one.pem").write_text("one and more")

    block_until(lambda: look.stamp() != stamp_before, "the file that was written over")

    assert FolderLook(folder / "nowhere", ".pem").stamp() is None
    assert FolderLook(folder / "one.pem", ".pem").stamp() is None
    assert FolderLook(folder, ".der").stamp() == ()
