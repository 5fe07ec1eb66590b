"""The node cut off at sixteen points that are always the same, spread over the ports and over what they do: each packet,
document and status is there once afterwards. `tests/long/faults/test_crash.py` draws other points each time."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import killer
from tests.faults.crashes import crashed_at
from tests.faults.killer import Point
from tests.support.cases import Cases

# A call by its port, its name and which of them; the story makes some 2,800.
POINTS: tuple[Point, ...] = (
    ("blobs.keep_small 20", "after"),
    ("store.share.blobs.keep 40", "after"),
    ("keys.opened 12", "before"),
    ("store.share.outgoing.add 6", "before"),
    ("store.changing.jobs.finish 9", "before"),
    ("store.changing.commit 40", "before"),
    ("store.claim_outbox 30", "after"),
    ("axis.publish 9", "before"),
    ("axis.publish 21", "after"),
    ("store.share.outbox.mark_sent 14", "after"),
    ("axis.take 60", "after"),
    ("store.share.inbox.land_to_settle 8", "after"),
    ("axis.settle 17", "before"),
    ("store.changing.register.next_number 4", "after"),
    ("store.share.events.append 90", "before"),
    ("store.share 40", "after"),
)


@pytest.mark.timeout(900)
def test_a_node_cut_off_at_each_of_sixteen_points_loses_nothing_and_doubles_nothing(
    tmp_path: Path, cases: Cases
) -> None:
    with crashed_at(POINTS, tmp_path) as crashes:
        assert killer.torn(crashes.whole) == []
        assert crashes.whole["missed"] == [], "the story does not come by these points any more"
        for point in POINTS:
            with cases.case(point):
                assert crashes.torn(point) == []
