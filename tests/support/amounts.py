"""A plugin of pytest that decides how many examples a property is tried with: all of them in `make test-long`, which
selects the tests of properties by the mark of their library, and a quarter in every other run. Examples are drawn anew in
each run, so that many short runs try what one long run tries."""

from __future__ import annotations

import pytest
from hypothesis import settings

_SHARE = 4
_USUAL = 100
_tries_all = False


def pytest_configure(config: pytest.Config) -> None:
    global _tries_all
    _tries_all = tries_all(config.option.markexpr)
    # How long an example takes is the machine's matter, and it may be busy.
    settings.register_profile("any machine", deadline=None, max_examples=examples(_USUAL))
    settings.load_profile("any machine")


def tries_all(expression: str) -> bool:
    """Tell whether a run that selects tests by this expression tries all examples."""
    return "hypothesis" in expression


def examples(count: int) -> int:
    """Return how many of that many examples this run tries."""
    return count if _tries_all else max(1, count // _SHARE)
