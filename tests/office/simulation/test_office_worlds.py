"""A seed makes the same world with offices every time, and persons act there."""

from __future__ import annotations

import json

from tests.simulation.test_worlds import must_be_alike

_POSTS = ("clerk", "head", "first", "second")


def test_a_seed_makes_the_same_office_whatever_the_hashes_of_texts() -> None:
    """On the embedded axis, without its end; the long lane compares one that comes to rest."""
    words = ("--seed", "7", "--hours", "0.1", "--office", "--axis", "embedded", "--detail", "--cut")
    kinds = json.loads(must_be_alike(*words).splitlines()[-2])["kinds"]

    assert [kind for kind in kinds if kind.partition(".")[0] in _POSTS]
