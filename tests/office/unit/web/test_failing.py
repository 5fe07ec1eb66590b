"""The message of an error: for a taken number its holder and the next free one."""

from __future__ import annotations

import pytest

from gateway import errors
from gateway.policy.verdict import ReasonCode, Verdict, reason
from gateway_office.web import answers

HOLDER = {"number": "12", "year": "2026", "of": "15/UBND", "sender": "Sở Nội vụ", "next_free": "40"}
LETTER = {"number": "12/TB", "year": "2026", "date": "20/11/2026", "to": "Sở Nội vụ", "next_free": "40"}


@pytest.mark.parametrize("lang", ["vi", "en"])
@pytest.mark.parametrize(("code", "facts"), [("GW-NUMBER-TAKEN", HOLDER), ("GW-LETTER-TAKEN", LETTER)])
def test_a_number_that_is_taken_is_named_with_its_holder_and_the_next_free_one(
    code: str, facts: dict[str, str], lang: str
) -> None:
    title = answers.failure_of(errors.Clash("taken", code=code, params=facts), lang).title

    assert all(text in title for text in facts.values())


def test_a_refusal_names_the_articles_behind_its_reasons_each_once() -> None:
    missing = [reason(ReasonCode.MISSING, f"/{field}", field=field) for field in ("number", "subject")]

    failure = answers.failure_of(errors.Refused(Verdict(reasons=tuple(missing))), "vi")

    assert failure.basis == "khoản 2 Điều 8 NĐ 30/2020/NĐ-CP; khoản 2 Điều 10 QĐ 28/2018/QĐ-TTg"
    assert answers.failure_of(errors.NotFound("gone"), "vi").basis == ""
