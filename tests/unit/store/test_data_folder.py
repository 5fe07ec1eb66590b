"""The free space of the disk is read once for many files, and for each of them while there is none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.errors import StoreFailure
from gateway.store import data_folder
from gateway.store.data_folder import Room


@pytest.fixture
def statvfs_folders(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    folders, statvfs = list[str](), os.statvfs

    def noted(folder: str) -> os.statvfs_result:
        folders.append(folder)
        return statvfs(folder)

    monkeypatch.setattr(os, "statvfs", noted)
    return folders


def test_room_that_was_seen_is_asked_for_again_after_a_while_alone(
    tmp_path: Path, statvfs_folders: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    room = Room(folder=tmp_path, reserve=1)
    monkeypatch.setattr(data_folder, "_ENOUGH_FOR_S", 3600.0)
    room.check()
    room.reserve = 1 << 62
    room.check()
    assert len(statvfs_folders) == 1

    monkeypatch.setattr(data_folder, "_ENOUGH_FOR_S", 0.0)
    other = Room(folder=tmp_path, reserve=1)
    other.check()
    other.reserve = 1 << 62
    with pytest.raises(StoreFailure):
        other.check()
    assert len(statvfs_folders) == 3


def test_while_there_is_none_everybody_asks(tmp_path: Path, statvfs_folders: list[str]) -> None:
    full = Room(folder=tmp_path, reserve=1 << 62)

    for n in (1, 2):
        with pytest.raises(StoreFailure) as excinfo:
            full.check()
        assert excinfo.value.code == "GW-S-507"
        assert len(statvfs_folders) == n
