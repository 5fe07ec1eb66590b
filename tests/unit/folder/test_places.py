"""The directories of a hot folder: other devices, full disks, several processes, links."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import NotFound, StoreFailure
from gateway.folder.places import NotAFile, Place
from tests.support.folder import Desk
from tests.support.node import DEPARTMENT


@pytest.fixture
def on_two_disks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let renames fail between folders, as if `sent` and `error` lay on another device than `out`."""
    rename = os.rename

    def refusing(source: Any, target: Any, **options: Any) -> None:
        if options.get("src_dir_fd") != options.get("dst_dir_fd"):
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        rename(source, target, **options)

    monkeypatch.setattr(os, "rename", refusing)


@pytest.mark.usefixtures("on_two_disks")
async def test_files_and_folders_are_moved_across_devices(desk: Desk) -> None:
    desk.letter("15")
    folder = desk.place("out", "16", "meta.json")
    folder.write_text("{")

    await desk.settle()

    assert desk.receipt("15")["number"] == "15"
    assert desk.sent() == ["15.json", "15.pdf", "15.result.json"]
    assert "16/meta.json" in desk.names("error")
    assert desk.names("out") == []


@pytest.mark.usefixtures("on_two_disks")
def test_a_folder_that_could_not_be_copied_stays_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"{n:02}.pdf" for n in range(5)]
    (tmp_path / "out" / "15").mkdir(parents=True)
    (tmp_path / "error").mkdir()
    for name in names:
        (tmp_path / "out" / "15" / name).write_text(name)
    flush, flushed = os.fsync, 0

    def third_is_refused(fd: int) -> None:
        nonlocal flushed
        flushed += 1
        if flushed == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        flush(fd)

    with Place.open_root(tmp_path / "out") as out, Place.open_root(tmp_path / "error") as error:
        with monkeypatch.context() as patched:
            patched.setattr("gateway.folder.places.os.fsync", third_is_refused)
            with pytest.raises(StoreFailure):
                out.move("15", error, "15")
        assert sorted(os.listdir(tmp_path / "out" / "15")) == names

        out.move("15", error, "15")

    assert sorted(os.listdir(tmp_path / "error" / "15")) == names
    assert os.listdir(tmp_path / "out") == []


async def test_a_full_disk_takes_nothing_and_loses_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.settle()
    desk.letter("15")

    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("gateway.folder.places.os.fsync", full)
        await desk.settle()
    assert desk.names("out") == ["15.json", "15.pdf"]
    assert await desk.town.count("outgoing_document") == 0

    await desk.settle(60)

    assert desk.receipt("15")["number"] == "15"
    assert desk.names("error") == []


async def test_two_processes_over_one_share_send_each_once(desk: Desk) -> None:
    other = Desk(town=desk.town, root=desk.root)
    await desk.settle()
    for n in range(6):
        desk.letter(str(40 + n), str(40 + n))
    for node in (desk, other):
        await node.look()
    for node in (desk, other, desk, other):
        await node.look(7)

    assert await desk.town.count("outgoing_document") == 6
    assert len([name for name in desk.sent() if name.endswith(".result.json")]) == 6
    assert desk.names("error") == []


async def test_while_another_process_has_its_turn_nothing_is_touched(desk: Desk) -> None:
    await desk.settle()
    scope = await desk.town.scope(DEPARTMENT)
    from gateway.folder.worker import TURN

    async with desk.town.node.store.changing(scope) as work:
        await work.idempotency.begin("folder", "turn", "turn", desk.town.clock.now() + TURN)
    desk.letter("15")
    await desk.settle()
    assert desk.names("out") == ["15.json", "15.pdf"]

    desk.town.clock.advance(TURN)
    await desk.settle()

    assert desk.receipt("15")["number"] == "15"


def test_links_are_not_followed_below_the_root_and_rights_follow_it(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    root = tmp_path / "root"
    root.mkdir()
    root.chmod(0o2770)
    (root / "a").symlink_to(tmp_path / "secret")
    (root / "f").symlink_to("/etc/hostname")
    with Place.open_root(root) as place:
        with pytest.raises(StoreFailure):
            place.within("a")
        with pytest.raises(NotAFile):
            place.open("f")
        with pytest.raises(NotFound):
            place.open("none")
        with place.within("b", make=True) as below:
            below.write("f", [b"x"])

    assert (root / "b").stat().st_mode & 0o770 == 0o770
    assert (root / "b" / "f").stat().st_mode & 0o777 == 0o660
