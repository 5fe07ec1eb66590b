"""Each call that the loops make breaks in turn for an hour, before or after its work, and none fills the disk with its
log."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.test_log_volume import (
    BROKEN,
    CASES,
    MOST_BYTES,
    MOST_TRACES,
    a_broken_call,
    has_a_line_a_minute,
    summary,
)
from tests.support.cases import Cases
from tests.support.log_hour import log_of
from tests.support.unforeseen import observed


async def test_a_known_cause_has_a_line_a_minute_in_the_whole_process_and_no_trace(
    tmp_path: Path, cases: Cases
) -> None:
    for name, fault in CASES.items():
        with cases.case(name):
            await has_a_line_a_minute(tmp_path / name, *fault)


@pytest.mark.timeout(3600)
async def test_whichever_call_breaks_for_an_hour_fills_no_disk(tmp_path: Path, cases: Cases) -> None:
    names = await observed(tmp_path / "observed")
    assert BROKEN[0] in names
    for n, name in enumerate(names):
        when = ("before", "after")[n % 2]
        with cases.case((name, when)):
            async with a_broken_call(tmp_path / name, (name, when)) as town:
                hour = await log_of(town)
            assert hour.size < MOST_BYTES, summary(hour)
            assert sum("trace" in line for line in hour.lines) <= MOST_TRACES
