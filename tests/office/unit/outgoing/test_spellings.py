"""A letter on paper takes its number in each spelling of it."""

from __future__ import annotations

from dataclasses import replace

from gateway.domain.book import PaperLetter
from gateway.errors import Clash
from tests.office.support.node import DEPARTMENT, OfficeTown
from tests.support.packets import TODAY
from tests.unit.outgoing.test_spellings import reasons_against


async def test_a_paper_letter_takes_the_number_in_each_spelling(town: OfficeTown) -> None:
    scope, now = await town.scope(DEPARTMENT), town.clock.now()
    letter = PaperLetter(
        id="ppr_1",
        number="77",
        symbol="UBND-KT",
        issued_on=TODAY,
        type_name="Công văn",
        subject="về việc thử",
        signer="An",
        recipients="Kho",
        entered_at=now,
        entered_by=scope.principal_id,
    )
    await reasons_against(town, "78", "UBND-KT", 1)
    clashes = []
    for n, (number, symbol) in enumerate((("77", "UBND-KT"), ("077", "ubnd-kt"), ("078", "UBND\u2010KT"))):
        async with town.node.store.changing(scope) as work:
            try:
                await work.office.books.put_letter(
                    replace(letter, id=f"ppr_{n}", number=number, symbol=symbol)
                )
            except Clash as clash:
                clashes.append(clash.params["next_free"])

    assert clashes == ["79", "79"]
