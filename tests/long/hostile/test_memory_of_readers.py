"""Every reader of foreign bytes keeps to its memory, whatever it is given."""

from __future__ import annotations

import pytest

from tests.fuzz import target
from tests.hostile.test_memory import outcomes
from tests.support.cases import Cases


@pytest.mark.parametrize("reader", sorted(target.MODULES))
def test_a_reader_of_foreign_bytes_costs_little_memory(cases: Cases, reader: str) -> None:
    for name, outcome in outcomes(reader):
        with cases.case(name):
            assert outcome == "read"
