"""The ids that the real clock makes are ULIDs: of their moment, in its order, none twice."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from gateway.clock import LETTERS, SystemClock


def test_an_id_is_a_ulid_of_its_moment() -> None:
    before = datetime.now(UTC)
    made = SystemClock().new_id("msg_")
    after = datetime.now(UTC)
    assert re.fullmatch(f"msg_[0-7][{LETTERS}]{{25}}", made)
    ms = 0
    for letter in made.removeprefix("msg_")[:10]:
        ms = ms * 32 + LETTERS.index(letter)
    assert int(before.timestamp() * 1000) <= ms <= int(after.timestamp() * 1000)


def test_no_id_comes_twice_and_each_letter_of_the_alphabet_comes() -> None:
    made = {SystemClock().new_id() for _ in range(5000)}
    assert len(made) == 5000
    assert {letter for id in made for letter in id[10:]} == {*LETTERS}


def test_ids_of_later_moments_stand_behind() -> None:
    clock = SystemClock()
    first = clock.new_id()
    later = next(id for id in iter(clock.new_id, "") if id[:10] != first[:10])
    assert first < later
