"""Threats that come as one file: all of them through every door, with the outcome and code that each must have there."""

from __future__ import annotations

import pytest

from tests.support.cases import Cases
from tests.threats.cases import CASES, FIRST
from tests.threats.doors import Door
from tests.threats.table import Record
from tests.threats.test_files_of_threats import try_at

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(900)]


@pytest.mark.parametrize("door", ["embedded", "verify", "explain", "brokered"], indirect=True)
async def test_each_threat_in_a_file_ends_as_it_must(
    door: Door, cases: Cases, record_property: Record
) -> None:
    """The broker's way joins the embedded axis' way behind the adapter, so one case of each threat is enough there."""
    for case in FIRST if door.name == "broker" else CASES:
        await try_at(door, case, cases, record_property)
