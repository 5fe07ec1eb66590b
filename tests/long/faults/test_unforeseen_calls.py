"""Each call that the loops make breaks in turn, before it does its work and after."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.test_unforeseen_calls import BROKEN
from tests.support.cases import Cases
from tests.support.unforeseen import left_open, observed


@pytest.mark.timeout(900)
async def test_nothing_stays_open_untold_whichever_call_breaks_for_days(tmp_path: Path, cases: Cases) -> None:
    names = await observed(tmp_path / "observed")
    assert {name for name, _ in BROKEN} <= set(names), "the loops do not make these calls any more"
    for name in names:
        for when in ("before", "after"):
            with cases.case((name, when)):
                assert await left_open(tmp_path / f"{name}-{when}", (name, when)) == []
