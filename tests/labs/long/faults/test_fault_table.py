"""Each row of the table of faults: what a pair of nodes at work shows of a fault, where, after how many seconds and with
which cure; nothing is lost, nothing arrives twice, and no log fills the disk. FAULT_ROWS=all tries all rows, and FAULT_S
says how long each fault stands at least."""

from __future__ import annotations

import asyncio
import json
import os
import traceback
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.labs.fault_table.measure import FaultRow, Measured, measure
from tests.labs.fault_table.pair import PairKey, Pairs
from tests.labs.fault_table.rows import ROWS

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(1800)]
HAS_ALL_ROWS = os.environ.get("FAULT_ROWS") == "all"
CHOSEN = [row for row in ROWS if HAS_ALL_ROWS or row.in_long]
STAND_S = float(os.environ.get("FAULT_S", "0"))
LONG_S, MOST_LETTERS = 600.0, 3000
OUTCOMES = Path(__file__).parents[4] / "dist" / "faults"
LONG_ROWS = [row for row in ROWS if row.stands_long]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def pairs() -> AsyncIterator[Pairs]:
    async with Pairs() as pairs:
        yield pairs


async def try_row(pairs: Pairs, row: FaultRow, stand_s: float, name: str) -> None:
    measured = Measured(name=name, fault=row.fault)
    try:
        async with pairs.lend(row.pair) as pair:
            await measure(pair, row, measured, stand_s)
        measured.holds = True
    except BaseException as error:
        measured.why = "".join(traceback.format_exception(error))[-MOST_LETTERS:]
        raise
    finally:
        OUTCOMES.mkdir(parents=True, exist_ok=True)
        (OUTCOMES / f"{name}.json").write_text(json.dumps(measured.to_json(), ensure_ascii=False))


@pytest.mark.skipif(not HAS_ALL_ROWS, reason="ten minutes: make faults")
async def test_faults_that_stand_for_ten_minutes_write_as_little(pairs: Pairs) -> None:
    tries = [try_row(pairs, row, LONG_S, f"{row.name} for ten minutes") for row in LONG_ROWS]
    await asyncio.gather(*tries)


@pytest.mark.skipif(not HAS_ALL_ROWS, reason="a broker of its own: make faults")
async def test_a_command_says_nothing_of_a_broker_that_works(pairs: Pairs) -> None:
    async with pairs.lend(PairKey(servers=True)) as pair:
        for word in ("doctor", "status"):
            _, _, error = await pair.command("south", word)
            assert "axis." not in error


@pytest.mark.parametrize("row", CHOSEN, ids=lambda row: row.name)
async def test_a_fault_is_seen_everywhere_with_its_cure_and_loses_nothing(
    pairs: Pairs, row: FaultRow
) -> None:
    await try_row(pairs, row, STAND_S, row.name)
