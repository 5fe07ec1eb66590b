"""One word has one number, wherever it stands: home page, menu, lists, tabs and the bell, for each person of the
demonstration who has them. Asked without a browser."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import product

import pytest
from lxml import html

from gateway_office.domain.roles import PostRole
from tests.office.pages.guest import Guest, calling_as
from tests.office.pages.site import Site
from tests.support.cases import Cases

ROLES = (PostRole.CLERK, PostRole.HEAD, PostRole.UNIT_HEAD, PostRole.OFFICER, PostRole.VIEWER)
PAGES = ("/tong-quan", "/can-xu-ly", "/can-xu-ly?tat-ca=1", "/van-ban-den?tab=all", "/van-ban-di?tab=all")
MENU = "Cần xử lý"
# Of a list; each list has its own.
OF_ONE_LIST = frozenset({"Tất cả", "Cần chú ý"})
NUMBER = re.compile(r"(\d[\d.]*)\+?")
# A number beside its words: entries of the menu, tabs, groups and tiles of the home page.
COUNTED = "//*[self::a or self::h2 or self::li][*[contains(concat(' ', @class, ' '), ' count ')]]"
TILES = "//*[contains(@class, 'numbers')]//a"


@pytest.mark.laid
async def test_a_word_has_one_number_wherever_it_stands(site: Site, cases: Cases) -> None:
    for actor, role in product(("department", "province"), ROLES):
        async with calling_as(site, role, actor) as guest:
            counts: dict[str, list[tuple[int, str]]] = defaultdict(list)
            links: dict[str, int] = {}
            for path in PAGES:
                tree = await _page(guest, path)
                for word, number, link in _counts(tree):
                    label = f"{word} ({path.partition('?')[0]})" if word in OF_ONE_LIST else word
                    counts[label].append((number, path))
                    if link and path == "/tong-quan":
                        links[link] = number
            links = {link: number for link, number in links.items() if not link.startswith("/co-quan/")}
            for word, numbers in counts.items():
                with cases.case(f"{word} ({role}, {actor})"):
                    assert len({number for number, _ in numbers}) == 1, numbers
            with cases.case(f"the home page tells all ({role}, {actor})"):
                paths = [path for _, path in counts[MENU]]
                assert paths.count("/tong-quan") == 2 or not paths, "in the menu and above the work"
            for link, number in links.items():
                with cases.case(f"{link} ({role}, {actor})"):
                    assert await _total(guest, link) == number
            with cases.case(f"the bell ({role}, {actor})"):
                news = json.loads((await guest.get("/su-kien/so")).text)["bell"]["count"]
                page = await _page(guest, "/thong-bao")
                unread = len(page.xpath("//main//li[contains(@class, 'unread')]"))
                (badge,) = page.xpath("//*[@data-count]")
                assert (int(badge.text), unread) == (news, news)


async def _page(guest: Guest, path: str) -> html.HtmlElement:
    answer = await guest.get(path)
    assert answer.status == 200, path
    return html.document_fromstring(answer.text)


def _counts(tree: html.HtmlElement) -> Iterator[tuple[str, int, str]]:
    """Yield the word, the number and the target of all that a page counts."""
    for part in tree.xpath(COUNTED):
        (count, *_) = part.xpath("*[contains(concat(' ', @class, ' '), ' count ')]")
        if "data-count" not in count.attrib and (number := NUMBER.fullmatch(count.text_content().strip())):
            words = part.xpath("text() | a//text() | span[@class='word']//text()")
            own = part.get("href") or "".join(part.xpath("a/@href"))
            yield _plain("".join(words)), _integer(number), own
    for tile in tree.xpath(TILES):
        (number_text, words) = tile.xpath("strong/text()")[0], "".join(tile.xpath("text()"))
        if number := NUMBER.fullmatch(number_text.strip()):
            yield _plain(words), _integer(number), tile.get("href")
    for head in tree.xpath("//div[@class='tools']/p[@class='quiet']"):
        if match := re.search(r"([\d.]+) việc(?! \w)", head.text_content()):
            yield MENU, _integer(match), ""


def _plain(words: str) -> str:
    return " ".join(words.split())


def _integer(number: re.Match[str]) -> int:
    return int(number[1].replace(".", ""))


async def _total(guest: Guest, link: str) -> int:
    """Count the documents of the list behind a link."""
    tree = await _page(guest, link.partition("#")[0])
    text = _plain(tree.xpath("//main")[0].text_content())
    if match := re.search(r"Tổng số: ([\d.]+)", text):
        return _integer(match)
    return len(tree.xpath("//main//*[@data-row]"))
