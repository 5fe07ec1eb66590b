"""A property is tried with all of its examples in the long lane, and with a quarter of them in any other run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support import amounts

MAKEFILE = Path(__file__).parents[3] / "Makefile"


def test_the_long_lane_alone_tries_all_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    long_lane, *short_lanes = re.findall(r'-m "([^"]+)"', MAKEFILE.read_text("utf-8"))
    assert amounts.tries_all(long_lane)
    assert long_lane.startswith("long or ")
    assert not any(map(amounts.tries_all, ["", *short_lanes]))

    for tries_all, counts in ((True, [60, 2, 1]), (False, [15, 1, 1])):
        monkeypatch.setattr(amounts, "_tries_all", tries_all)
        assert [amounts.examples(count) for count in (60, 2, 1)] == counts
