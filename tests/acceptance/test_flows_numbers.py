"""Numbers of outgoing documents that the node gives: one run for each book, a reserved number serves its document, and what
is not sent leaves its number void with the reason."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gateway.deciding import agency_profile
from gateway.domain.agency_profile import OUT_BOOKS, OUT_NUMBERING
from gateway.domain.document import OutgoingDocument, OutState
from gateway.domain.event import EventKind
from gateway.domain.numbers import GivenNumber, NumberState
from gateway.errors import Clash, Refused
from gateway.outgoing import manage, numbering
from gateway.policy.verdict import ReasonCode, Verdict
from tests.support import first_pages, pdf_pki, pdfs
from tests.support.node import DEPARTMENT, PROVINCE, Town, draft
from tests.support.packets import TODAY
from tests.support.statements import noted_statements

LETTER = "HC.cong_van"


async def choose(town: Town, key: str = OUT_NUMBERING, value: str = "B") -> None:
    scope = await town.scope(DEPARTMENT)
    await agency_profile.choose(town.node.store, town.clock, scope, "An", key, value)


async def reserve(town: Town, **fields: Any) -> GivenNumber:
    scope = await town.scope(DEPARTMENT)
    reserved_draft = replace(draft("", PROVINCE), **fields)
    return await numbering.reserve_for(town.node.out, scope, reserved_draft, days=1)


async def states(town: Town, series: str = LETTER) -> dict[int, NumberState]:
    async with town.node.store.read(await town.scope(DEPARTMENT)) as work:
        numbers = await work.given.page(2026, now=town.clock.now(), series=series, limit=500)
    return {n.number: n.standing(town.clock.now()).state for n in numbers}


async def refusal(town: Town, number: str, **fields: Any) -> str:
    with pytest.raises(Refused) as refused:
        await town.send(number, **fields)
    verdict: Verdict = refused.value.verdict  # type: ignore[assignment]  # the error knows it as an object
    return verdict.reasons[0].code.value


async def test_each_document_gets_the_next_number_of_its_book(town: Town) -> None:
    """R115 (automatic numbers)."""
    await choose(town)

    letters = [await town.send("") for _ in range(2)]
    decision = await town.send("", symbol="QĐ-STD", type_name="Quyết định", type_key="quyet_dinh")
    copy = await town.send("", symbol="SY-STD")
    law = await town.send("", symbol="2026/QĐ-UBND", type_name="Quyết định", type_key="quyet_dinh")
    await town.carry()

    assert [d.draft.code for d in letters] == ["01/STD-VP", "02/STD-VP"]
    assert [d.draft.number for d in (decision, copy, law)] == ["01", "01", "01"]
    assert letters[1].document_id.endswith(",02/STD-VP")
    assert sorted(d.number for d in await town.incoming()) == ["01", "01", "01", "01", "02"]
    assert await states(town) == {1: NumberState.ISSUED, 2: NumberState.ISSUED}
    assert [e.kind for e in await town.events(DEPARTMENT, letters[0].id)][:2] == [
        EventKind.NUMBER_ISSUED,
        EventKind.MESSAGE_ACCEPTED,
    ]


async def test_a_reserved_number_serves_its_person_once_and_every_other_number_is_refused(town: Town) -> None:
    await choose(town)
    reservation = await reserve(town)
    assert (reservation.number, reservation.state) == (1, NumberState.RESERVED)

    assert await refusal(town, "02") == "number-not-given"
    sent = await town.send("01")
    assert (
        await refusal(town, "1", subject="Về việc khác", issued_on=TODAY - timedelta(days=1))
        == "number-given"
    )
    other = await town.send("")

    assert (sent.draft.number, other.draft.number) == ("01", "02")
    assert await states(town) == {1: NumberState.ISSUED, 2: NumberState.ISSUED}


async def test_a_reservation_that_is_not_used_goes_to_the_next_document_and_that_is_recorded(
    town: Town,
) -> None:
    await choose(town)
    first, second = await reserve(town), await reserve(town)
    scope = await town.scope(DEPARTMENT)
    await numbering.release_number(town.node.out, scope, second.id, "thôi không ban hành")
    town.clock.advance(2 * 86400)

    sent = [await town.send("", issued_on=TODAY) for _ in range(3)]

    assert [d.draft.number for d in sent] == ["01", "02", "03"]
    released = [e for e in await town.events(DEPARTMENT, first.id) if e.kind is EventKind.NUMBER_RELEASED]
    assert [(e.data["reason"], e.data["held_by"]) for e in released] == [("lapsed", scope.principal_id)]


async def test_a_signed_page_that_has_a_number_goes_under_that_number_or_not_at_all(town: Town) -> None:
    """One signed page is one document, at the door and when the number is given. R34 (numbers of the system)."""
    await choose(town)
    third = await asyncio.to_thread(pdfs.sign, first_pages.printed("03"), pdf_pki.agency(), "CoQuan")
    files = (("a.pdf", third),)

    for number in ("", "01"):
        with pytest.raises(Refused) as refused:
            await town.send(number, files=files, confirm=("first-page-other",))
        verdict: Verdict = refused.value.verdict  # type: ignore[assignment]  # the error knows it as an object
        reasons = [r for r in verdict.reasons if r.code is ReasonCode.PAGE_NUMBERED]
        assert [(r.pointer, r.suggest) for r in reasons] == [("/number", "03")]
    await town.send("")
    await town.send("")
    sent = await town.send("", files=files)
    with pytest.raises(Refused, match="page-numbered"):
        await town.send("", files=files, confirm=("first-page-other", "signed-again"))

    assert sent.draft.number == "03"
    unsigned = await town.send(
        "", files=(("a.pdf", first_pages.printed("09")),), confirm=("first-page-other",)
    )
    assert unsigned.draft.number == "04"


async def test_a_number_of_an_unsent_document_is_void_and_serves_only_a_repeat_of_that_document(
    town: Town,
) -> None:
    await choose(town)
    document = await town.send("")
    scope = await town.scope(DEPARTMENT)
    await manage.cancel(town.node.out, scope, document.id, why="Ban hành nhầm")

    assert await states(town) == {1: NumberState.VOID}
    assert await refusal(town, "01", issued_on=TODAY - timedelta(days=1)) == "number-void"
    assert (await town.send("")).draft.number == "02"
    repeat = await town.send("01")
    assert repeat.document_id == document.document_id
    assert await states(town) == {1: NumberState.ISSUED, 2: NumberState.ISSUED}
    with pytest.raises(Clash, match="on its way"):
        await numbering.void_number(town.node.out, scope, f"2026.{LETTER}.1", "nhầm")


async def _send_draft(town: Town, begun: OutgoingDocument) -> OutgoingDocument:
    scope = await town.scope(DEPARTMENT)
    accepted = await town.send("", send=False, issued_on=begun.draft.issued_on)
    return await manage.send_draft(town.node.out, scope, accepted.id, wait=timedelta(hours=1))


async def test_the_run_goes_on_after_the_numbers_that_others_gave(town: Town) -> None:
    for number in ("37", "38", "40"):
        await town.send(number)
    await choose(town)

    assert [(await town.send("")).draft.number for _ in range(2)] == ["41", "42"]
    await choose(town, value="A")
    await town.send("43")
    await choose(town)
    assert (await town.send("")).draft.number == "44"


async def test_an_agency_decides_its_own_books(town: Town) -> None:
    await choose(town)
    await choose(town, OUT_BOOKS, "HDKL | Hội đồng kỷ luật | HĐKL | one; HC | Hành chính | * | one")

    numbers = [
        (await town.send("", symbol=symbol)).draft.number
        for symbol in ("STD-VP", "QĐ-STD", "QĐ-HĐKL", "TB-HĐKL", "STD-TCCB")
    ]

    assert numbers == ["01", "02", "01", "02", "03"]


async def test_many_at_once_get_a_number_each_and_none_is_lost(town: Town) -> None:
    await choose(town)

    sent = await asyncio.gather(
        *(town.send("", symbol="STD-VP" if n % 2 else "QĐ-STD") for n in range(20)), reserve(town)
    )

    letters = [d.draft.number for d in sent if isinstance(d, OutgoingDocument) and d.draft.symbol == "STD-VP"]
    assert len({*letters}) == 10
    by_number = await states(town)
    assert sorted(by_number) == list(range(1, 12))
    assert [*by_number.values()].count(NumberState.ISSUED) == 10


async def test_a_refused_document_takes_no_number(town: Town) -> None:
    await choose(town)

    assert await refusal(town, "", subject="") == "missing"
    assert await states(town) == {}
    accepted = await town.send("", send=False)
    assert (accepted.state, accepted.draft.number) == (OutState.DRAFT, "")


async def test_a_document_with_its_number_costs_one_statement_and_nothing_where_the_node_gives_none(
    town: Town,
) -> None:
    async def count(number: str) -> Counter[str]:
        with noted_statements() as statements:
            await town.send(number)
        return Counter(" ".join(text.split()) for text in statements)

    await town.send("10")
    unnumbered = await count("11")
    await choose(town)
    first, second = await reserve(town), await reserve(town)
    await town.send(str(first.number))
    numbered = await count(str(second.number))

    assert not [text for text in unnumbered if "given_number" in text or "register_counter" in text]
    extra = numbered - unnumbered
    assert [text.split("WHERE")[0][:19] for text in extra.elements()] == ["UPDATE given_number"]
