"""Letters on paper and documents of the exchange take numbers from one run; a draft called back gives its own back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.domain.book import PaperLetter
from gateway.domain.numbers import NumberState
from gateway.errors import Refused
from gateway.outgoing import drafting, manage
from gateway_office.book import books
from gateway_office.letters import follow_up
from tests.acceptance.test_flows_numbers import _send_draft, choose, states
from tests.office.support.node import DEPARTMENT, PROVINCE, OfficeTown, draft
from tests.support.packets import TODAY


async def test_a_number_stays_with_a_document_that_is_called_back_as_a_draft(town: OfficeTown) -> None:
    await choose(town)
    scope = await town.scope(DEPARTMENT)
    begun = await drafting.begin(town.node.out, scope, draft("", PROVINCE, issued_on=TODAY))
    assert (await states(town)) == {}
    document = await _send_draft(town, begun)
    assert document.draft.number == "01"

    back = await follow_up.call_back(town.node.out, scope, document.id)
    assert await states(town) == {1: NumberState.ISSUED}
    await manage.discard_draft(town.node.out, scope, back.id)
    assert await states(town) == {1: NumberState.VOID}


async def test_letters_on_paper_take_their_numbers_from_the_same_run(town: OfficeTown) -> None:
    await choose(town)
    scope, book = await town.scope(DEPARTMENT), town.node.book
    line = books.TypedLine(
        number="",
        symbol="STD-VP",
        issued_on=TODAY,
        type_name="Công văn",
        subject="Trả lời",
        signer="Nguyễn Văn Mẫu",
        recipients="Xã Mẫu",
    )

    first = await books.enter(book, scope, line)
    sent = await town.send("")
    late: PaperLetter = await books.enter(book, scope, replace(line, number="05", catch_up="Mất điện"))
    with pytest.raises(Refused):
        await books.enter(book, scope, replace(line, number="09"))
    skipped = await books.enter(book, scope, replace(line, number="03", catch_up="Mất điện"))
    await books.strike(book, scope, first.id, "Nhập nhầm")

    assert [letter.number for letter in (first, late, skipped)] == ["01", "05", "03"]
    assert sent.draft.number == "02"
    assert await states(town) == {
        1: NumberState.VOID,
        2: NumberState.ISSUED,
        3: NumberState.ISSUED,
        4: NumberState.RESERVED,
        5: NumberState.ISSUED,
    }
