"""The message of an error: for a taken number its holder and the next free one."""

from __future__ import annotations

import pytest

from gateway import errors
from gateway.office.web import answers

HOLDER = {"number": "12", "year": "2026", "of": "15/UBND", "sender": "Sở Nội vụ", "next_free": "40"}
LETTER = {"number": "12/TB", "year": "2026", "date": "20/11/2026", "to": "Sở Nội vụ", "next_free": "40"}


@pytest.mark.parametrize("lang", ["vi", "en"])
@pytest.mark.parametrize(("code", "facts"), [("GW-NUMBER-TAKEN", HOLDER), ("GW-LETTER-TAKEN", LETTER)])
def test_a_number_that_is_taken_is_named_with_its_holder_and_the_next_free_one(
    code: str, facts: dict[str, str], lang: str
) -> None:
    title = answers.failure_of(errors.Clash("taken", code=code, params=facts), lang).title

    assert all(text in title for text in facts.values())
