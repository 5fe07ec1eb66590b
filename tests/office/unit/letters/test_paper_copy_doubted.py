"""A document whose paper copy has a number already is doubtful to the clerk who takes it in."""

from __future__ import annotations

from dataclasses import replace

from gateway_office.letters import received
from tests.office.support.node import OfficeTown
from tests.unit.incoming.test_by_hand import arrive, enter


async def test_a_document_with_a_paper_copy_in_the_book_is_doubtful(town: OfficeTown) -> None:
    fields = {"symbol": (await arrive(town, "116")).symbol, "issued_on": town.node.out.today()}
    await enter(town, number="118", **fields)

    document = await arrive(town, "118")

    known_good = replace(document, checks=document.checks | {"revocation": "good"})
    assert received.doubt(known_good) == "paper_copy"
