"""Each filter that the search field offers, typed by hand without quotation marks, finds what pressing its offer finds: on
both lists and in the search over both. Asked without a browser."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from lxml import html

from tests.office.pages.guest import Guest, calling_as
from tests.office.pages.site import Site
from tests.support.cases import Cases

FIELDS = {"/van-ban-den": "in", "/van-ban-di": "out", "/tim-kiem": ""}
PARTY_SEARCHES = ("từ:sao mai", "đến:thử nghiệm")


@pytest.mark.laid
async def test_each_offer_typed_by_hand_finds_what_pressing_it_finds(site: Site, cases: Cases) -> None:
    compared = nonempty = 0
    async with calling_as(site) as guest:
        for path, side in FIELDS.items():
            names = await _offers(guest, "", side)
            for begun in (*names, *PARTY_SEARCHES):
                for pressed in await _offers(guest, begun, side):
                    for behind in ("", "ngày:tháng này"):
                        with cases.case((path, pressed, behind)):
                            expected = await _result(guest, path, f"{pressed} {behind}")
                            assert (
                                await _result(guest, path, f"{pressed.replace(chr(34), '')} {behind}")
                                == expected
                            )
                            nonempty += bool(expected[1])
                        compared += 1
    assert compared > 100
    assert nonempty > 20


async def _offers(guest: Guest, text: str, side: str) -> list[str]:
    answer = await guest.get(f"/tim-kiem/goi-y?q={quote(text)}&phia={side}")
    return [str(text) for text in _read(f"<main>{answer.text}</main>").xpath("//li/@data-text")]


def _read(text: str) -> html.HtmlElement:
    return html.document_fromstring(text)


async def _result(guest: Guest, path: str, text: str) -> tuple[str, list[str]]:
    """Return the total and the rows that the text finds."""
    address = f"{path}?q={quote(text)}"
    while (answer := await guest.get(address)).status in (302, 303):
        address = answer.leads
    tree = _read(answer.text)
    words = " ".join(tree.xpath("//main")[0].text_content().split())
    total = re.search(r"Tổng số: [\d.]+", words)
    links = tree.xpath("//main//*[@data-row]//a/@href")
    return total[0] if total else "", [str(link).partition("?")[0] for link in links]
