"""What a look before sending warns of: whom nobody receives for, a number used this year, a file that went out before."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from gateway.domain.document import FileRole
from gateway.outgoing import check
from gateway.outgoing.intake import Order, tray
from gateway.policy.verdict import ReasonCode, Verdict
from tests.support.api import pdf
from tests.support.node import DEPARTMENT, PDF, PROVINCE, Town, draft

STARTER = "G01"  # of the list that ships with the program
REACH = {ReasonCode.RECIPIENT_STARTER, ReasonCode.RECIPIENT_UNBOUND, ReasonCode.RECIPIENT_UNHOSTED}
ASKED = {ReasonCode.NUMBER_AGAIN, ReasonCode.LEAD_AGAIN}


async def looked(town: Town, order: Order, raw: bytes = PDF, *, looks: bool = True) -> Verdict:
    async def chunks() -> AsyncIterator[bytes]:
        yield raw

    desk, scope = town.node.out, await town.scope(DEPARTMENT)
    async with tray(desk) as held:
        await held.add("lead", "van-ban.pdf", FileRole.LEAD, chunks())
        run = check.look if looks else check.check
        return (await run(desk, scope, order, held))[1]


def among(verdict: Verdict, codes: set[ReasonCode]) -> dict[ReasonCode, str]:
    return {each.code: each.pointer for each in verdict.warnings if each.code in codes}


async def test_who_is_bound_and_hosted_is_not_warned_of(town: Town) -> None:
    await town.node.axis.host([PROVINCE])

    assert among(await looked(town, Order(draft=draft("15", PROVINCE))), REACH) == {}


async def test_a_starter_row_that_nobody_hosts_is_warned_of_and_may_be_sent_to(town: Town) -> None:
    await town.node.axis.host([PROVINCE])

    verdict = await looked(town, Order(draft=draft("15", PROVINCE, STARTER)))

    assert verdict.allowed
    assert among(verdict, REACH) == dict.fromkeys(REACH, "/recipients/1/code")


async def test_taking_in_never_asks_the_axis(town: Town) -> None:
    verdict = await looked(town, Order(draft=draft("15", STARTER)), looks=False)

    assert set(among(verdict, REACH)) == REACH - {ReasonCode.RECIPIENT_UNHOSTED}


async def test_a_number_of_this_year_with_another_date_is_asked_about(town: Town) -> None:
    sent = await town.send("15", PROVINCE)
    day = draft("15").issued_on
    assert day is not None
    earlier = draft("15", PROVINCE, issued_on=day - timedelta(days=1))

    verdict = await looked(town, Order(draft=earlier), pdf(2))

    assert verdict.allowed
    assert among(verdict, ASKED) == {ReasonCode.NUMBER_AGAIN: "/number"}
    (asked,) = [each for each in verdict.warnings if each.code is ReasonCode.NUMBER_AGAIN]
    assert asked.params == {"text": "15/STD-VP", "held_on": day.isoformat(), "earlier": sent.id}


@pytest.mark.parametrize(("number", "year"), [("16", 0), ("15", 1)])
async def test_another_number_or_another_year_is_not_asked_about(town: Town, number: str, year: int) -> None:
    await town.send("15", PROVINCE)
    day = draft("15").issued_on
    assert day is not None

    other = draft(number, PROVINCE, issued_on=day.replace(year=day.year - year))

    assert among(await looked(town, Order(draft=other), pdf(2)), ASKED) == {}


@pytest.mark.parametrize("left", [False, True])
async def test_the_lead_file_of_another_document_is_asked_about(town: Town, *, left: bool) -> None:
    """However long ago it left: its file is in the envelope then, and nowhere else."""
    await town.send("15", PROVINCE)
    if left:
        await town.carry()

    again, fresh = [await looked(town, Order(draft=draft("16", PROVINCE)), raw) for raw in (PDF, pdf(2))]

    assert among(again, ASKED) == {ReasonCode.LEAD_AGAIN: "/files/0"}
    assert among(fresh, ASKED) == {}


async def test_a_draft_and_what_was_cancelled_are_not_asked_about(town: Town) -> None:
    await town.send("15", PROVINCE, send=False)

    assert among(await looked(town, Order(draft=draft("16", PROVINCE))), ASKED) == {}
