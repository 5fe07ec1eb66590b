"""Histories of documents that end and come back, drawn anew in each run."""

from __future__ import annotations

import random

import pytest

from tests.acceptance.test_hold import _cheap as _cheap
from tests.office.support.histories import History
from tests.office.support.histories import town as town
from tests.office.support.node import OfficeTown
from tests.support.seed import SEED


@pytest.mark.parametrize("n", range(12))
async def test_states_numbers_book_and_figures_are_a_plain_count_of_the_rows(
    town: OfficeTown, n: int
) -> None:
    history = History(town, random.Random(SEED * 1000 + n))
    await history.live(60)
    await history.check()
