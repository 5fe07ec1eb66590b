"""One call of a port breaks for days, with an error that was not foreseen: whatever waits has its reason or its loop
reports it, and everything ends once the call works again. `tests/long/faults/test_unforeseen_calls.py` tries all calls."""

from __future__ import annotations

from pathlib import Path

from tests.support.cases import Cases
from tests.support.unforeseen import left_open

# One call each of the axis, the keys and the two queues.
BROKEN = (
    ("axis.settle", "after"),
    ("keys.signer", "before"),
    ("store.share.inbox.land_to_settle", "after"),
    ("store.share.outbox.mark_sent", "before"),
)


async def test_nothing_stays_open_untold_while_a_call_breaks_for_days(tmp_path: Path, cases: Cases) -> None:
    for broken in BROKEN:
        with cases.case(broken):
            assert await left_open(tmp_path / "-".join(broken), broken) == []
