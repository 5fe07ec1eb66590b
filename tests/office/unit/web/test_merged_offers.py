"""The rows of the form show each recipient of a pasted block; none goes without a word."""

from __future__ import annotations

import csv

from gateway.domain.document import Recipient
from gateway.domain.text import fold
from gateway.policy.recipients_block import written_out
from gateway.registry.directory import SqlDirectory
from gateway_office.web.pages.compose.addressing import merge_offers
from tests.support.cases import Cases
from tests.unit.registry.conftest import directory as directory
from tests.unit.registry.conftest import memory as memory
from tests.unit.registry.conftest import reader as reader
from tests.unit.registry.conftest import url as url
from tests.unit.registry.conftest import writer as writer
from tests.unit.registry.test_addressing import (
    AGENCIES,
    KINDS,
    MORE,
    PLACES,
    STEMS,
    TODAY,
    offers,
)
from tests.unit.registry.test_addressing import book as book


async def test_each_recipient_of_a_block_is_shown_in_a_row(book: SqlDirectory, cases: Cases) -> None:
    await book.apply(await book.plan_import((AGENCIES + MORE).encode()), "operator")
    names = {row.split(",", 2)[0]: next(csv.reader([row]))[2] for row in (AGENCIES + MORE).splitlines()[1:]}
    texts = [f"- {kind} {stem}{place};" for kind in KINDS for stem in STEMS for place in PLACES]
    texts += [
        "- Z91.32;",
        "- Chi cục Mẫu số tỉnh Sao Mai;",
        "- Sở Mẫu số tỉnh Sao Mai;",
        "- Sở Mẫu tỉnh Sao Mai;",
    ]

    for near in ("Z91", "Z91.07", "Z92.20"):
        offered = await offers(book, (), "\n".join(texts), TODAY, near)
        rows, skipped = merge_offers((), offered, ())
        shown_words = {fold(written_out(word)) for row in rows for word in words_of(row, names)}
        for offer in offered:
            with cases.case((near, offer.item.text)):
                assert fold(written_out(offer.item.name)) in shown_words
        assert skipped == 0


def words_of(row: Recipient, names: dict[str, str]) -> list[str]:
    return [row.code, row.name or "", names.get(row.code, ""), *(row.given or "").split("; ")]
