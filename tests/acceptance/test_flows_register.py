"""Arrival numbers (interfaces 1.6): modes A, B and C, the year of Asia/Ho_Chi_Minh, no number before 03, none for a 02,
and no gaps in the node's own book."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.domain.account import NumberingMode
from gateway.domain.document import IncomingDocument, InState
from gateway.errors import Clash, Refused
from tests.support.hosted import save_hosted
from tests.support.node import COMMUNE, PROVINCE, Town


async def arrived(town: Town, count: int = 1, at: str = COMMUNE) -> list[IncomingDocument]:
    """List the new documents, oldest first."""
    day = town.node.out.today()
    for n in range(count):
        await town.act_and_carry(town.send(str(500 + n), at, issued_on=day))
        town.clock.advance(1)
    return [document for document in reversed(await town.incoming(at)) if document.state is InState.NEW]


async def numbers(town: Town, year: int = 2026, at: str = COMMUNE) -> list[str]:
    async with town.node.store.read(await town.scope(at)) as work:
        return [entry.number for entry in await work.register.entries("incoming", year)]


async def mode(town: Town, numbering: NumberingMode, at: str = COMMUNE) -> None:
    agency = await town.agency(at)
    await save_hosted(town.node.store.accounts, replace(agency, numbering=numbering))


async def test_mode_b_gives_the_next_number_with_the_03_and_leaves_no_gap(town: Town) -> None:
    first, second, third, fourth = await arrived(town, 4)

    assert (await town.status(third, "03")).register_no == "1"
    refused = await town.status(first, "02")
    assert refused.register_no is None
    with pytest.raises(Clash) as refused_number:
        await town.status(second, "03", register_no="99")  # the book's own number rules
    assert refused_number.value.code == "GW-BOOK-GIVES"
    assert (await town.status(second, "03")).register_no == "2"
    with pytest.raises(Clash) as second_number:
        await town.status(second, "03", register_no="99")
    assert second_number.value.params == {"register_no": "2", "register_year": 2026}
    assert (await town.status(second, "03", register_no="2")).repeated
    await town.status(fourth, "04")  # assigned without being taken in: no number
    assert (await town.status(fourth, "03")).register_no == "3"

    assert await numbers(town) == ["1", "2", "3"]


async def test_two_03_at_once_take_one_number(town: Town) -> None:
    (document,) = await arrived(town)

    statuses = await asyncio.gather(*(town.status(document, "03") for _ in range(5)))

    assert {status.register_no for status in statuses} == {"1"}
    assert sum(not status.repeated for status in statuses) == 1
    assert await numbers(town) == ["1"]
    await town.carry()
    assert await town.statuses(COMMUNE) == 2


async def test_a_document_taken_in_then_refused_keeps_its_line_and_its_number_is_never_reused(
    town: Town,
) -> None:
    first, second = await arrived(town, 2)
    await town.status(first, "03")
    town.clock.advance(1)
    await town.status(first, "02")
    town.clock.advance(1)
    await town.status(first, "03", at=town.clock.now())

    assert (await town.status(second, "03")).register_no == "2"
    assert (await town.reload(first)).register_no == "1"
    assert await numbers(town) == ["1", "2"]


async def test_mode_a_stores_what_the_document_system_gives_and_may_bring_it_later(town: Town) -> None:
    first, second = await arrived(town, 2, PROVINCE)

    assert (await town.status(first, "03")).register_no is None
    repeated = await town.status(first, "03", register_no="1245", register_year=2026)
    assert (repeated.repeated, repeated.register_no) == (True, "1245")
    with pytest.raises(Clash):
        await town.status(second, "03", register_no="1245")

    assert (await town.reload(second)).state is InState.NEW  # the whole act is undone
    assert (await town.status(second, "03", register_no="1250")).register_no == "1250"
    assert await numbers(town, at=PROVINCE) == ["1245", "1250"]  # gaps as found
    with pytest.raises(Clash, match="1245") as stands:
        await town.status(first, "03", register_no="7")
    assert stands.value.code == "GW-REGISTERED"
    with pytest.raises(Clash, match="1245"):
        await town.status(first, "03", register_no="1245", register_year=2025)
    assert (await town.status(first, "03", register_no=" 1245 ")).register_no == "1245"


async def test_a_number_that_comes_after_the_03_goes_out_in_a_03_of_its_own_and_moves_nothing(
    town: Town,
) -> None:
    sent = await town.act_and_carry(town.send("15"))
    document = await town.only()
    await town.status(document, "03")
    await town.act_and_carry(town.status(document, "04"))
    old = await town.delivery(sent)
    town.clock.advance(3600)
    given_at = town.clock.now() - timedelta(minutes=20)

    status = await town.status(document, "03", register_no="1245", register_year=2026, at=given_at)
    await town.carry()

    new, fact = await town.delivery(sent), (await town.facts(sent))[-1]
    assert (status.register_no, status.document.state) == ("1245", InState.ASSIGNED)
    assert (old.register_no, old.state) == (None, "assigned")
    assert (new.register_no, new.register_year, new.state) == ("1245", 2026, "assigned")
    assert (fact.code, fact.stated_at, fact.proved) == ("03", given_at, True)
    assert (fact.register_no, fact.register_year) == ("1245", 2026)
    assert "số 1245, năm 2026" in (fact.reason or "")
    assert new.marks == ()


async def test_a_number_in_the_very_second_of_the_03_is_no_repeat_for_the_sender(town: Town) -> None:
    """A4: Terms are no part of the body, and a status says its time in whole seconds."""
    sent = await town.act_and_carry(town.send("15"))
    document = await town.only()
    await town.status(document, "03")
    await town.act_and_carry(town.status(document, "03", register_no="7", register_year=2026))

    assert (await town.delivery(sent)).register_no == "7"


async def test_a_number_with_another_status_than_03_is_not_dropped(town: Town) -> None:
    first, second = await arrived(town, 2, PROVINCE)
    await town.status(first, "03", register_no="7")
    await town.status(second, "03")

    for code in ("04", "05", "06"):
        with pytest.raises(Clash, match="number 7 "):
            await town.status(first, code, register_no="8")
        assert (await town.status(first, code, register_no="7")).register_no == "7"
        with pytest.raises(Refused, match="number-without-03"):
            await town.status(second, code, register_no="9")


async def test_a_number_that_cannot_travel_is_refused_before_anything_is_stored(town: Town) -> None:
    (document,) = await arrived(town, 1, PROVINCE)

    for number in ("1" * 51, "12\n45", "12\u000b45", "12\ufffe45"):
        with pytest.raises(Refused):
            await town.status(document, "03", register_no=number)

    assert (await town.reload(document)).state is InState.NEW


async def test_mode_c_needs_the_number_and_refuses_doubles(town: Town) -> None:
    await mode(town, NumberingMode.C)
    first, second = await arrived(town, 2)

    with pytest.raises(Refused):
        await town.status(first, "03")
    assert (await town.status(first, "03", register_no="12a")).register_no == "12a"
    with pytest.raises(Clash):
        await town.status(second, "03", register_no="12a")

    assert await numbers(town) == ["12a"]
    assert (await town.status(second, "03", register_no="12a", register_year=2025)).register_no == "12a"
    await town.carry()
    assert await town.statuses(COMMUNE) == 4  # two 01 and two 03: a refused status sends nothing


async def test_02_never_takes_a_number(town: Town) -> None:
    for numbering, document in zip(NumberingMode, await arrived(town, len(NumberingMode)), strict=True):
        await mode(town, numbering)

        status = await town.status(document, "02", register_no="5")

        assert (status.register_no, status.document.state) == (None, InState.REJECTED), numbering
    assert await numbers(town) == []
