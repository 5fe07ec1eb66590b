"""A fixed history of documents that end and come back, in which one that was cancelled had left after all and one recipient
became part of the other; the long lane draws others."""

from __future__ import annotations

import random

from tests.acceptance.test_hold import _cheap as _cheap
from tests.office.support.histories import History
from tests.office.support.histories import town as town
from tests.office.support.node import OfficeTown


async def test_states_numbers_book_and_figures_are_a_plain_count_of_the_rows(town: OfficeTown) -> None:
    history = History(town, random.Random(39))
    await history.live(60)
    assert "merge" in history.outcomes
    await history.check()
