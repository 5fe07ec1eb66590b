"""A plugin of pytest that spares the garbage collector the product and the tests themselves, as `gateway serve` does: they
stay in memory to the end, and each look at old objects would walk all of them. What tests make is collected as before.
Where unclosed objects are looked for, those of the collection are looked at too."""

from __future__ import annotations

import gc

import pytest

from tests.support import resources

# New objects after which the collector looks at those alone, while everything is loaded and afterwards.
_WHILE_LOADING, _YOUNG = 20_000, 5_000
_NEVER = 1_000_000

gc.set_threshold(_WHILE_LOADING, _NEVER, _NEVER)


def pytest_collection_finish(session: pytest.Session) -> None:
    if not session.config.getoption(resources.OPTION):
        gc.collect(0)
        gc.freeze()
    gc.set_threshold(_YOUNG, 10, 10)
