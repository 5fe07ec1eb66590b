"""Whether the disk has room is not asked anew for each of many files, and while it has none each of them asks."""

from __future__ import annotations

import os
from contextlib import nullcontext
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


@pytest.mark.parametrize(("for_s", "asks"), [(3600.0, 1), (0.0, 2)])
def test_room_that_was_seen_is_asked_for_again_after_a_while_alone(
    tmp_path: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch, for_s: float, asks: int
) -> None:
    monkeypatch.setattr(data_folder, "_ENOUGH_FOR_S", for_s)
    room = Room(folder=tmp_path, reserve=1)

    room.check()
    room.reserve = 1 << 62

    with nullcontext() if asks == 1 else pytest.raises(StoreFailure):
        room.check()
    assert len(asked) == asks


def test_while_there_is_none_everybody_asks(tmp_path: Path, asked: list[str]) -> None:
    full = Room(folder=tmp_path, reserve=1 << 62)

    for n in (1, 2):
        with pytest.raises(StoreFailure) as told:
            full.check()
        assert told.value.code == "GW-S-507"
        assert len(asked) == n
