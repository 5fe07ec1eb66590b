"""What one small document may cost, counted: no machine is too busy for it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from bench.counts import LIMITS


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """Counted in a process of its own: what it listens to stays."""
    ran = subprocess.run([sys.executable, "-m", "bench.counts"], capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(ran.stdout)
    print(json.dumps(found["who"], indent=1, ensure_ascii=False))
    return found


@pytest.mark.parametrize("what", LIMITS)
def test_a_small_document_there_and_back_costs_no_more_than_it_may(told: dict[str, Any], what: str) -> None:
    assert 0 < told["counted"][what] <= LIMITS[what]
