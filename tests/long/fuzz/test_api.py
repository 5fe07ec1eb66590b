"""The API keeps its own description, whatever is sent: every operation, with good data and bad, against a running node.
`make fuzz` does more of it: every edge of every schema, and calls that follow from each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.api import OPTIONS, call_all
from tests.support import api
from tests.support.contract import EXCHANGE
from tests.support.seed import SEED


@pytest.mark.timeout(500)
async def test_every_operation_answers_as_it_is_described(blank_node: Path, tmp_path: Path) -> None:
    async with api.opened(blank_node, tmp_path / "node", OPTIONS) as door:
        run = await call_all(door, tmp_path, examples=10, seed=SEED, phases="examples,fuzzing")

    assert run.exit == 0, run.report[-6000:]
    # The description itself was read before.
    operations = sum(len(path) for path in EXCHANGE.document["paths"].values()) - 1
    assert f"Tested: {operations}" in run.report
    assert "Failures:" not in run.report
