"""Warnings and questions before sending: recipients without a receiving node, and the memory of who receives; a number used
this year, a file that went out before, a day of signing that is long ago (R45)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import cast

import pytest

from gateway.domain.document import FileRole, Kind
from gateway.domain.event import EventKind
from gateway.domain.office_calendar import SHIPPED, OfficeCalendar
from gateway.errors import Refused
from gateway.outgoing import check
from gateway.outgoing.intake import Order, receive_files
from gateway.outgoing.reach import REMEMBERED, SILENT, Reach
from gateway.policy import timers
from gateway.policy.verdict import ReasonCode, Verdict
from gateway.ports.axis import Axis
from tests.support import first_pages, pdfs
from tests.support.api import Door, meta, pdf
from tests.support.clock import START
from tests.support.node import DEPARTMENT, PDF, PROVINCE, Town, draft
from tests.support.pdf_pki import agency

STARTER = "G01"  # of the list that ships with the program
REACH = {ReasonCode.RECIPIENT_STARTER, ReasonCode.RECIPIENT_UNBOUND, ReasonCode.RECIPIENT_UNHOSTED}
ASKING_CODES = {ReasonCode.NUMBER_REUSED, ReasonCode.LEAD_REUSED}


async def send_verdict(town: Town, order: Order, raw: bytes = PDF, *, looks: bool = True) -> Verdict:
    async def chunks() -> AsyncIterator[bytes]:
        yield raw

    services, scope = town.node.out, await town.scope(DEPARTMENT)
    async with receive_files(services) as request_files:
        await request_files.add("lead", "van-ban.pdf", FileRole.LEAD, chunks())
        run = check.check_for_preview if looks else check.check
        return (await run(services, scope, order, request_files))[1]


def among(verdict: Verdict, codes: set[ReasonCode]) -> dict[ReasonCode, str]:
    return {warning.code: warning.pointer for warning in verdict.warnings if warning.code in codes}


async def test_recipients_that_nobody_receives_for_are_confirmed_once_and_each_is_listed(town: Town) -> None:
    """A bound and hosted recipient raises no question; looking and taking in ask alike."""
    unhosted = ReasonCode.RECIPIENT_UNHOSTED
    order = Order(draft=draft("15", PROVINCE, STARTER, "G02"))

    good = await send_verdict(town, Order(draft=draft("15", PROVINCE)))
    verdicts = [await send_verdict(town, order, looks=looks) for looks in (True, False)]
    confirmed = await send_verdict(town, replace(order, confirm=(unhosted,)))

    assert (good.allowed, among(good, REACH)) == (True, {})
    for verdict in verdicts:
        assert [(reason.code, reason.pointer) for reason in verdict.reasons] == [
            (unhosted, "/recipients/1/code"),
            (unhosted, "/recipients/2/code"),
        ]
    assert confirmed.allowed
    assert set(among(confirmed, REACH)) == REACH


async def test_an_agency_that_was_connected_is_not_asked_about_any_more(town: Town) -> None:
    order = Order(draft=draft("15", STARTER))
    assert not (await send_verdict(town, order)).allowed

    await town.node.axis.host([STARTER])

    assert (await send_verdict(town, order)).allowed


async def test_a_number_of_this_year_with_another_date_is_asked_about(town: Town) -> None:
    """Another number, or the number of another year, is not."""
    sent = await town.send("15", PROVINCE)
    day = draft("15").issued_on
    assert day is not None

    async def verdict_on(number: str, on: date) -> Verdict:
        return await send_verdict(town, Order(draft=draft(number, PROVINCE, issued_on=on)), pdf(2))

    verdict = await verdict_on("15", day - timedelta(days=1))

    assert verdict.allowed
    assert among(verdict, ASKING_CODES) == {ReasonCode.NUMBER_REUSED: "/number"}
    (warning,) = [w for w in verdict.warnings if w.code is ReasonCode.NUMBER_REUSED]
    assert warning.params == {"text": "15/STD-VP", "held_on": day.isoformat(), "earlier": sent.id}
    for number, other in (("16", day), ("15", day.replace(year=day.year - 1))):
        assert among(await verdict_on(number, other), ASKING_CODES) == {}


async def test_the_lead_file_of_another_document_is_asked_about(town: Town) -> None:
    """However long ago it left: its file is in the envelope then, and nowhere else. That of a draft is not."""
    order = Order(draft=draft("16", PROVINCE))
    await town.send("14", PROVINCE, send=False)
    assert among(await send_verdict(town, order), ASKING_CODES) == {}

    await town.send("15", PROVINCE)
    for _ in range(2):
        assert among(await send_verdict(town, order), ASKING_CODES) == {ReasonCode.LEAD_REUSED: "/files/0"}
        assert among(await send_verdict(town, order, pdf(2)), ASKING_CODES) == {}
        await town.carry()


async def test_a_signed_lead_file_of_another_document_is_a_question_for_programs_too(town: Town) -> None:
    """The question comes with a look, at intake, and when the document is stored."""
    signed = await asyncio.to_thread(pdfs.sign, pdfs.plain(), agency(), "CoQuan")
    reused_code = ReasonCode.SIGNED_REUSED
    await town.send("15", PROVINCE, files=(("15.pdf", signed),))
    order = Order(draft=draft("16", PROVINCE))

    for looks in (True, False):
        verdict = await send_verdict(town, order, signed, looks=looks)
        assert [(x.code, x.pointer) for x in verdict.reasons] == [(reused_code, "/files/0")]
    with pytest.raises(Refused, match=reused_code):
        await town.send("16", PROVINCE, files=(("15.pdf", signed),))
    confirmed = await send_verdict(town, replace(order, confirm=(reused_code,)), signed)
    sent = await town.send("16", PROVINCE, files=(("15.pdf", signed),), confirm=(reused_code,))

    assert (confirmed.allowed, among(confirmed, {reused_code})) == (True, {reused_code: "/files/0"})
    (event,) = [e for e in await town.events(DEPARTMENT, sent.id) if e.kind is EventKind.MESSAGE_CONFIRMED]
    assert [x["code"] for x in event.data["confirmed"]] == [reused_code]


async def test_a_lead_file_of_another_document_is_confirmed_and_another_subject_alone_warns(
    town: Town,
) -> None:
    """Looking and taking in ask alike."""
    other, differs = ReasonCode.FIRST_PAGE_OTHER, ReasonCode.FIRST_PAGE_DIFFERS
    order = Order(draft=draft("15", PROVINCE))
    both = first_pages.printed("16", subject=first_pages.OTHER)

    for looks in (True, False):
        verdict = await send_verdict(town, order, both, looks=looks)
        assert [(x.code, x.pointer) for x in verdict.reasons] == [(other, "/number"), (other, "/subject")]
    confirmed = await send_verdict(town, replace(order, confirm=(other,)), both)
    number_alone = await send_verdict(town, order, first_pages.printed("16"))
    subject_alone = await send_verdict(town, order, first_pages.printed(subject=first_pages.OTHER))
    same = await send_verdict(town, order, first_pages.printed())

    assert confirmed.allowed
    assert among(confirmed, {other, differs}) == {other: "/subject"}
    assert [(x.code, x.pointer) for x in number_alone.reasons] == [(other, "/number")]
    assert subject_alone.allowed
    assert among(subject_alone, {other, differs}) == {differs: "/subject"}
    assert (same.allowed, among(same, {other, differs})) == (True, {})


async def test_a_change_is_warned_and_never_asked_about_its_first_page(town: Town) -> None:
    """The notice that goes with a recall has a number of its own."""
    both = first_pages.printed("16", subject=first_pages.OTHER)
    for kind, codes in ((Kind.UPDATE, {ReasonCode.FIRST_PAGE_OTHER}), (Kind.RECALL, set())):
        verdict = await send_verdict(town, Order(draft=draft("15", PROVINCE), kind=kind), both)
        assert not {reason.code for reason in verdict.reasons} & {ReasonCode.FIRST_PAGE_OTHER}
        assert set(among(verdict, {ReasonCode.FIRST_PAGE_OTHER})) == codes


async def test_a_letter_that_was_signed_eight_days_ago_is_warned_of(door: Door) -> None:
    """R45 (sent late): warned of and not refused. It is Friday, eight o'clock."""
    for days, is_late in ((8, True), (2, True), (1, False), (0, False)):
        signed_at = (START - timedelta(days=days)).isoformat()
        answer = await door.send(meta(number=str(40 + days), signed_at=signed_at), once=f"d{days}")

        assert answer.status == 202, str(answer)
        warnings = {warning["type"]: warning for warning in answer.json["warnings"]}
        assert ("signed-late" in warnings) is is_late, days
        if is_late:
            assert warnings["signed-late"]["pointer"] == "/signed_at"
            assert "28/2018/QĐ-TTg" in warnings["signed-late"]["basis"]
    draft = await door.send(meta(number="60", signed_at=(START - timedelta(days=8)).isoformat(), send=False))
    assert "signed-late" not in {warning["type"] for warning in draft.json.get("warnings", ())}


def test_it_is_late_after_the_next_working_morning_also_where_it_is_urgent() -> None:
    """R45, T1 (issue): T1u reports an urgent one, late by the same rule."""
    office = timers.calendar_of(OfficeCalendar().weekdays, OfficeCalendar().spans, SHIPPED, ())
    assert not timers.is_sent_late(office, START, START + timedelta(days=3, hours=3))
    assert timers.is_sent_late(office, START, START + timedelta(days=3, hours=4))


class Questions:
    """Answers as an axis does, and keeps what was asked; `hosted` is None while it cannot say."""

    def __init__(self, *hosted: str) -> None:
        self.hosted: set[str] | None = set(hosted)
        self.asked: list[list[str]] = []

    async def unhosted(self, routes: Sequence[str]) -> frozenset[str] | None:
        self.asked.append(list(routes))
        return None if self.hosted is None else frozenset(routes) - self.hosted


async def test_a_hosted_code_is_asked_about_once_a_minute_and_an_unhosted_one_each_time() -> None:
    axis, reach = Questions("Z91"), Reach()

    async def unhosted(days: int) -> frozenset[str]:
        return await reach.unhosted(cast(Axis, axis), ["Z91", "Z92"], START + REMEMBERED * days)

    assert [await unhosted(0), await unhosted(0), await unhosted(1)] == [{"Z92"}] * 3
    assert axis.asked == [["Z91", "Z92"], ["Z92"], ["Z91", "Z92"]]


async def test_nothing_is_said_of_anybody_while_the_axis_cannot_say() -> None:
    axis, reach = Questions(), Reach()
    axis.hosted = None

    async def unhosted(days: int) -> frozenset[str]:
        return await reach.unhosted(cast(Axis, axis), ["Z91"], START + SILENT * days)

    assert [await unhosted(0), await unhosted(0)] == [frozenset(), frozenset()]
    axis.hosted = set()
    assert await unhosted(0) == frozenset()
    assert await unhosted(1) == {"Z91"}
    assert len(axis.asked) == 2
