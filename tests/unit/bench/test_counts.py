"""What one small document may cost, among many and alone, counted and not timed; and that a long register makes none
dearer."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from bench.counts import AT_ONCE, GROWS, LIMITS, LIMITS_ALONE
from tests.support.cases import Cases

OLDER = 5_000


def counted(*numbers: int) -> dict[str, Any]:
    """In a process of its own: what it listens to stays."""
    asked = [sys.executable, "-m", "bench.counts", *map(str, numbers)]
    ran = subprocess.run(asked, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(ran.stdout)
    print(json.dumps(found["who"], indent=1, ensure_ascii=False))
    return found


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """On a machine that is starved documents come one by one and share no commit: once in three times will do."""
    for _ in range(3):
        found = counted(AT_ONCE, OLDER)
        if found["holds"]:
            break
    return found


def test_a_small_document_there_and_back_costs_no_more_than_it_may(
    told: dict[str, Any], cases: Cases
) -> None:
    for what, limit in LIMITS.items():
        with cases.case(what):
            assert 0 < told["counted"][what] <= limit


def test_a_small_document_that_comes_alone_costs_no_more_than_it_may(cases: Cases) -> None:
    """Nobody shares its commits and looks, so that nothing may be asked in vain."""
    found = counted(1)
    for what, limit in LIMITS_ALONE.items():
        with cases.case(what):
            assert 0 < found["counted"][what] <= limit


def test_a_document_costs_the_same_however_long_the_register_is(told: dict[str, Any]) -> None:
    """On a database as the product makes it, with the figures that it has."""
    first, later = (told[when]["instructions"] for when in ("counted", "grown"))
    print(json.dumps(told["who_grown"], indent=1, ensure_ascii=False))

    assert 0 < later <= GROWS * first
