"""A soak that is always the same: a hundred documents between two nodes on one machine, while a process is killed, a disk
is full and parcels come twice. `tests/bench/long/faults/test_soak.py` has larger ones, each with a new seed."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.soak import report
from bench.soak.plan import Plan
from bench.soak.run import soak

DOCUMENTS = 100
# Its choice of faults is one of each kind that says most: a kill, a full disk, and parcels twice and in another order.
SEED = 18


@pytest.mark.timeout(900)
async def test_a_hundred_documents_come_once_while_nodes_are_hurt(tmp_path: Path) -> None:
    plan = Plan(n=DOCUMENTS, kills=3, seed=SEED, patience_s=240)

    result = await soak(plan, tmp_path, print)

    text = "\n".join(report.lines(result))
    assert result.findings.clean, text
    assert len(result.ledger.sent) == DOCUMENTS
    assert result.injector.counts == {"worker killed": 1, "disk full": 1, "parcels doubled and shuffled": 1}
