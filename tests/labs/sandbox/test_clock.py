"""The clock of a sandbox: ahead alone, kept on disk, and whoever waits is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.errors import Clash
from gateway_labs.sandbox.clock import FARTHEST, SandboxClock

DAY = timedelta(days=1)


def test_a_move_holds_after_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "clock.json"
    moves: list[timedelta] = []
    clock = SandboxClock(file)
    clock.tell(lambda: moves.append(clock.ahead))

    clock.move(3 * DAY)
    clock.move(DAY)

    assert moves == [3 * DAY, 4 * DAY]
    restarted = SandboxClock(file)
    assert restarted.ahead == 4 * DAY
    assert restarted.now() - datetime.now(UTC) > 4 * DAY - timedelta(minutes=1)


def test_a_move_back_or_too_far_changes_nothing(tmp_path: Path) -> None:
    clock = SandboxClock(tmp_path / "clock.json")
    for by in (timedelta(), -DAY, FARTHEST + DAY):
        with pytest.raises(Clash):
            clock.move(by)
    assert clock.ahead == timedelta()
    assert not (tmp_path / "clock.json").exists()
