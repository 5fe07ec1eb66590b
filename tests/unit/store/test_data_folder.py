"""Whether the disk has room is not asked anew for each of many files, and while it has none each of them asks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.errors import StoreFailure
from gateway.store import data_folder
from gateway.store.data_folder import Room


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    asked, statvfs = list[str](), os.statvfs

    def noted(folder: str) -> os.statvfs_result:
        asked.append(folder)
        return statvfs(folder)

    monkeypatch.setattr(os, "statvfs", noted)
    return asked


def test_room_that_was_seen_is_asked_for_again_after_a_while_alone(
    tmp_path: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    room = Room(folder=tmp_path, reserve=1)
    monkeypatch.setattr(data_folder, "_ENOUGH_FOR_S", 3600.0)
    room.check()
    room.reserve = 1 << 62
    room.check()
    assert len(asked) == 1

    monkeypatch.setattr(data_folder, "_ENOUGH_FOR_S", 0.0)
    other = Room(folder=tmp_path, reserve=1)
    other.check()
    other.reserve = 1 << 62
    with pytest.raises(StoreFailure):
        other.check()
    assert len(asked) == 3


def test_while_there_is_none_everybody_asks(tmp_path: Path, asked: list[str]) -> None:
    full = Room(folder=tmp_path, reserve=1 << 62)

    for n in (1, 2):
        with pytest.raises(StoreFailure) as told:
            full.check()
        assert told.value.code == "GW-S-507"
        assert len(asked) == n
