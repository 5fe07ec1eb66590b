"""Walks every page that a person can reach by links, some of each route. In: a browser that is signed in. Out: the
open page, once for each route of the table that answers with a page; and what stood empty on any of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from lxml import html
from playwright.async_api import Page, ViewportSize

from gateway_office.web import answers
from gateway_office.web.pages import ROUTES
from gateway_office.web.routes import PageRoute
from tests.office.pages.visiting import NARROW

# A part of an address that is filled in: its name, and what it may be.
PLACE = re.compile(r"\{(\w+)(?::((?:[^{}]|\{[^{}]*\})+))?\}")
# Of each route so many pages are looked at for links: a list's tabs lead to different things.
_MOST_OF_ROUTE = 4


def pattern(route: PageRoute) -> re.Pattern[str]:
    """Make the pattern of a route's addresses."""
    expression, end = "", 0
    for place in PLACE.finditer(route.path):
        expression += re.escape(route.path[end : place.start()]) + f"(?:{place.group(2) or '[^/]+'})"
        end = place.end()
    return re.compile(expression + re.escape(route.path[end:]))


_PATTERNS = [(route, pattern(route)) for route in ROUTES if route.method == "GET"]
# The script's list of acts on a document: on a wide screen their addresses lead on to the list, beside which they stand.
_ACTS = re.compile(re.findall(r'const ACTS = "(.*)"', answers.static_bytes("gateway.js").decode())[0])
_OF_DOCUMENT = re.compile(r"/van-ban-(?:den|di)/\{id[^/]*\}/")
_BESIDE_LISTS = {
    route.name
    for route, _ in _PATTERNS
    if (place := _OF_DOCUMENT.match(route.path)) and _ACTS.fullmatch(route.path[place.end() :])
}


def route_of(path: str) -> PageRoute | None:
    """Return the first route in the order of the table that takes the path, as the server does."""
    return next((route for route, pattern in _PATTERNS if pattern.fullmatch(path)), None)


def page_size(route: PageRoute, wide: ViewportSize) -> ViewportSize:
    """Return the screen on which the route has a page of its own."""
    return NARROW if route.name in _BESIDE_LISTS else wide


@dataclass(kw_only=True)
class Walk:
    """`done` are routes seen before, by whomever; `left_out` answers with files, or acts. `empty`: route, words and address
    of each part of a page that had nothing to show."""

    visited: set[str] = field(default_factory=set)
    left_out: frozenset[str] = frozenset()
    empty: list[tuple[str, str, str]] = field(default_factory=list)

    async def pages(self, page: Page, start: str = "/") -> AsyncIterator[PageRoute]:
        """Yield each new route once, with its page open, in the order of the links. One page of each route is opened in the
        browser, as its scripts run there; of the others the answer is read alone, which is much faster."""
        waiting, queued, counts, wide = [start], {start}, Counter[str](), page.viewport_size
        assert wide is not None
        while waiting:
            target = waiting.pop(0)
            route = route_of(urlsplit(target).path)
            if route is None or (
                target != start and (route.name in self.left_out or counts[route.name] >= _MOST_OF_ROUTE)
            ):
                continue
            counts[route.name] += 1
            reading = page.context.request.get
            await page.set_viewport_size(page_size(route, wide))
            answer = await (page.goto(target) if counts[route.name] == 1 else reading(target))
            assert answer is not None, target
            assert answer.status == 200, f"{target} linked, answered {answer.status}"
            page_route = route_of(urlsplit(answer.url).path)
            assert page_route is not None, answer.url
            for link in self._read(await answer.text(), page_route, target):
                if link not in queued:
                    queued.add(link)
                    waiting.append(link)
            if page_route.name not in self.visited:
                self.visited.add(page_route.name)
                if page.url != answer.url:
                    await page.goto(target)
                yield page_route
        await page.set_viewport_size(wide)

    def _read(self, text: str, route: PageRoute, target: str) -> list[str]:
        """Return the page's links within the site, and note the places of the page that are empty."""
        tree = html.document_fromstring(text)
        for element in tree.iter("*"):
            if "empty" in element.get("class", "").split():
                self.empty.append(
                    (route.name, " ".join("".join(map(str, element.itertext())).split()), target)
                )
        links = [
            str(element.get("href", "")) for element in tree.iter("a") if "download" not in element.attrib
        ]
        return [link for link in links if link.startswith("/") and not urlsplit(link).netloc]
