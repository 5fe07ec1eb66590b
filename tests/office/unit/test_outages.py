"""The office learns of processes that cannot reach the axis."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from gateway.pool import ThreadPool
from gateway.transport.embedded import EmbeddedAxis
from gateway.workers.heartbeat import Pulse
from gateway_office.bootstrap.office import outages_of
from tests.support.clock import START, ManualClock
from tests.unit.ops.test_axis_now import axis as axis
from tests.unit.ops.test_axis_now import beat


async def test_the_office_learns_since_when_another_process_cannot_reach_the_axis(
    axis: EmbeddedAxis, tmp_path: Path
) -> None:
    """T14 runs from then on."""
    down_at = START - timedelta(minutes=4)
    pool = ThreadPool(1)

    async def outages() -> Mapping[str, datetime]:
        clock = ManualClock()
        return await outages_of(axis, Pulse(folder=tmp_path / "beats", clock=clock, pool=pool))

    beat(tmp_path / "beats", "here-1", START)
    assert await outages() == {}
    beat(tmp_path / "beats", "there-2", START, axes={"": ["", down_at.isoformat(), "", "gone"]})
    assert await outages() == {"": down_at}
    pool.close()
