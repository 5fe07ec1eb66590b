"""Figures of many generated years are those of an independent count; `make test` counts few."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.figures import DAY, MONTH
from tests.support.office_year import OfficeYear, count
from tests.unit.domain.test_figures import in_words, months_of, rows_of

pytestmark = pytest.mark.long


@settings(max_examples=300)
@given(st.integers(0, 2**32), st.lists(st.integers(1, 60), min_size=1, max_size=5))
def test_cells_are_those_of_an_independent_count_in_any_batches(seed: int, sizes: list[int]) -> None:
    events = OfficeYear(seed, 60, days=40).events()
    rows = rows_of(events, sizes)

    assert in_words(rows) == count(events)
    assert months_of(rows, DAY) == months_of(rows, MONTH)
