"""Opens every link of every page that a person reaches, without a browser. In: a site, a person, and how many pages of each
route are read for links. Out: how many pages and links there were, and the links that were drawn and refused."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from lxml import html

from tests.office.pages.guest import Guest
from tests.office.pages.walking import route_of

# One person's events come as long as the page is open.
_STREAMS = frozenset({"news"})
_AT_ONCE = 4


@dataclass(kw_only=True)
class Links:
    """Links that one person met. `refused`: the page, its link, the status."""

    most: int
    pages: int = 0
    followed: int = 0
    refused: list[tuple[str, str, int]] = field(default_factory=list)
    _queued: set[str] = field(default_factory=set)
    _counts: Counter[str] = field(default_factory=Counter)

    async def follow(self, guest: Guest, start: str = "/") -> None:
        """Open the page, and all that it leads to; of each route some pages are read for more."""
        waiting = [("", start)]
        while waiting:
            batch, waiting = waiting[:_AT_ONCE], waiting[_AT_ONCE:]
            for links in await asyncio.gather(*(self._open(guest, *pair) for pair in batch)):
                waiting += links

    async def _open(self, guest: Guest, page: str, link: str) -> list[tuple[str, str]]:
        answer = await guest.get(link)
        self.followed += 1
        if answer.status in (401, 403, 404, 405) or answer.status >= 500:
            self.refused.append((page, link, answer.status))
            return []
        if answer.leads:
            return self._new(link, [answer.leads])
        if not answer.headers.get("Content-Type", "").startswith("text/html"):
            return []
        self.pages += 1
        tree = html.document_fromstring(answer.text)
        return self._new(link, [str(a.get("href", "")) for a in tree.iter("a")])

    def _new(self, page: str, links: list[str]) -> list[tuple[str, str]]:
        new = []
        for link in links:
            address = link.partition("#")[0]
            route = route_of(urlsplit(address).path) if address.startswith("/") else None
            if route is None or route.name in _STREAMS or address in self._queued:
                continue
            # Each language of a page is the same page.
            if route.name == "language" or self._counts[route.name] >= self.most:
                continue
            self._counts[route.name] += 1
            self._queued.add(address)
            new.append((page, address))
        return new
