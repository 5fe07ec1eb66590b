"""One number is one number, however it is written: zeros, capitals and kinds of dashes make no second document."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from gateway.errors import Refused
from gateway.outgoing import manage
from gateway.outgoing.intake import Order
from gateway.policy import book
from gateway.policy.verdict import ReasonCode, Verdict
from tests.support.node import DEPARTMENT, PROVINCE, Town, draft
from tests.support.packets import TODAY, pdf

SPELLINGS = (("0601", "UBND-KT"), ("601", "ubnd-kt"), ("601", "UBND\u2010KT"), ("601", "UBND - KT"))


def codes_of(refused: Refused) -> list[ReasonCode]:
    assert isinstance(refused.verdict, Verdict)
    return [reason.code for reason in refused.verdict.reasons]


async def reasons_against(town: Town, number: str, symbol: str, n: int, **more: object) -> list[ReasonCode]:
    """Send a document, and return the reasons that refuse it."""
    order = Order(draft=replace(draft(number, PROVINCE, **more), symbol=symbol))
    try:
        await town.order(order, ((f"{n}.pdf", pdf(n)),), sender=DEPARTMENT)
    except Refused as refused:
        return codes_of(refused)
    return []


async def test_each_spelling_of_a_number_that_is_taken_is_refused(town: Town) -> None:
    """R32 (unique numbers)."""
    assert await reasons_against(town, "601", "UBND-KT", 1) == []

    codes = [await reasons_against(town, *spelling, n) for n, spelling in enumerate(SPELLINGS, 2)]

    assert codes == [[ReasonCode.NUMBER_IN_USE]] * len(SPELLINGS)
    assert await reasons_against(town, "601", "UBND\u0110-KT", 9) == []  # another letter is another symbol


async def test_spellings_that_come_together_are_one_document(town: Town) -> None:
    codes = await asyncio.gather(
        *(
            reasons_against(town, *spelling, n)
            for n, spelling in enumerate((("601", "UBND-KT"), *SPELLINGS), 1)
        )
    )

    assert sorted(codes) == [[], *[[ReasonCode.NUMBER_IN_USE]] * len(SPELLINGS)]


async def test_another_spelling_on_another_day_is_asked_about(town: Town) -> None:
    await reasons_against(town, "33", "UBND-KT", 1, issued_on=TODAY.replace(day=1))

    order = Order(draft=replace(draft("033", PROVINCE), symbol="ubnd-kt"))
    accepted = await town.order(order, (("2.pdf", pdf(2)),), sender=DEPARTMENT)

    assert ReasonCode.NUMBER_REUSED in {warning.code for warning in accepted.warnings}


async def test_a_stored_draft_in_another_spelling_does_not_leave(town: Town) -> None:
    order = Order(draft=replace(draft("0601", PROVINCE), symbol="ubnd-kt"), send=False)
    stored_order = await town.order(order, (("2.pdf", pdf(2)),), sender=DEPARTMENT)
    assert stored_order.document is not None
    await reasons_against(town, "601", "UBND-KT", 1)

    try:
        await manage.send_draft(town.node.out, await town.scope(DEPARTMENT), stored_order.document.id)
    except Refused as refused:
        codes = codes_of(refused)
    else:
        codes = []

    assert ReasonCode.NUMBER_IN_USE in codes


async def test_digits_of_other_scripts_are_no_number(town: Town) -> None:
    for number, symbol in (
        ("\uff16\uff10\uff11", "UBND-KT"),
        ("60\u0661", "UBND-KT"),
        ("601", "UBND-KT\u00b2"),
    ):
        assert await reasons_against(town, number, symbol, 1) == [ReasonCode.BAD_CHARACTERS]


async def test_a_line_typed_by_hand_has_digits_of_no_other_script(town: Town) -> None:
    for field in ("number", "symbol"):
        assert not book.check_text(field, "\uff16\uff10\uff11").allowed
        assert book.check_text(field, "601").allowed
