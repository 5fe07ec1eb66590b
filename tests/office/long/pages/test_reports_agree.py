"""Every figure of every report is the number of documents of the list that it leads to, over the demonstration. Asked
without a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from lxml import html

from gateway.store import figures
from gateway_office.domain.roles import PostRole
from gateway_office.policy.reports import REPORTS
from tests.office.pages.guest import Guest, calling_as
from tests.office.pages.site import Site
from tests.support.cases import Cases

REPORT_KEYS = [key for key, report in REPORTS.items() if not (report.of_node or report.of_accounts)]
TOTAL = re.compile(r"Tổng số: ([\d.]+)(?: lượt gửi, của ([\d.]+))? văn bản")
ELSEWHERE = re.compile(r"Trong đó ([\d.]+) văn bản không có ở danh sách này")


@pytest.mark.laid
async def test_each_linked_figure_is_the_total_of_its_list(site: Site, cases: Cases) -> None:
    while await figures.fold_next(site.node.store):
        pass
    compared = 0
    for actor in ("department", "province"):
        async with calling_as(site, PostRole.HEAD, actor) as guest:
            totals: dict[str, tuple[int, int, int]] = {}
            for path in [path for key in REPORT_KEYS for path in await _pages(guest, key)]:
                for text, link in _linked(await _page(guest, path)):
                    if link not in totals:
                        totals[link] = await _counted(guest, link)
                    total, documents, row_count = totals[link]
                    with cases.case((actor, path, link)):
                        assert (total, row_count) == (text, documents)
                    compared += 1
    assert compared > 200


async def _pages(guest: Guest, key: str) -> list[str]:
    """List the addresses of a report: each kind of lines, each period that it offers."""
    tree = await _page(guest, f"/bao-cao/{key}")
    by = tree.xpath("//select[@name='theo']/option/@value")
    periods = tree.xpath("//a[starts-with(@href, '/bao-cao/') and contains(@href, 'tu=')]/@href")
    return [f"/bao-cao/{key}?theo={value}" for value in by] + [*periods]


async def _page(guest: Guest, path: str) -> html.HtmlElement:
    answer = await guest.get(path)
    assert answer.status == 200, (path, answer.status, answer.leads)
    return html.document_fromstring(answer.text)


def _linked(tree: html.HtmlElement) -> Iterator[tuple[int, str]]:
    for link in tree.xpath("//td[contains(@class, 'number')]/a[starts-with(@href, '/van-ban')]"):
        yield _integer(link.text_content()), link.get("href")


async def _counted(guest: Guest, link: str) -> tuple[int, int, int]:
    """Return the total that a list tells, the number of documents in it, and how many it shows or says to be elsewhere."""
    tree = await _page(guest, f"{link}&so-dong=100")
    text = " ".join(tree.xpath("//main")[0].text_content().split())
    total, elsewhere = TOTAL.search(text), ELSEWHERE.search(text)
    assert total, text
    rows = len(tree.xpath("//main//*[@data-row]"))
    return (
        _integer(total[1]),
        _integer(total[2] or total[1]),
        rows + (_integer(elsewhere[1]) if elsewhere else 0),
    )


def _integer(text: str) -> int:
    return int(text.replace(".", ""))
