"""A plugin of pytest that spares the garbage collector the product and the tests themselves, as `gateway serve` does: they
stay in memory to the end, and each look at old objects would walk all of them. What tests make is collected as before."""

from __future__ import annotations

import gc

# New objects after which the collector looks at those alone, while everything is loaded.
_WHILE_LOADING, _NEVER = 20_000, 1_000_000

gc.set_threshold(_WHILE_LOADING, _NEVER, _NEVER)


def pytest_collection_finish() -> None:
    from gateway.cli.serve import freeze_loaded

    freeze_loaded()
