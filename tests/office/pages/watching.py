"""Watches everything that a browser context does: errors on the console or in scripts, requests to another origin, answers
that say the server failed. A test with any of them fails, whatever else it found."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from playwright.async_api import BrowserContext, ConsoleMessage, Page, Request, Response, WebError

from tests.office.pages.summary import Record

LAST = 20
_STATUS = re.compile(r"the server responded with a status of (\d{3})")
# What a page carries with it, and the parts of the browser itself such as its viewer of PDFs, come from nowhere else.
_INSIDE = frozenset({"data", "blob", "about", "chrome", "chrome-extension"})


@dataclass(kw_only=True)
class Watcher:
    """`expected` are answers that the test itself asks for: Chromium writes each of 400 and above on the console. `record`
    adds a property to the report of the test."""

    origin: str
    record: Record
    wrong: list[str] = field(default_factory=list)
    expected: set[int] = field(default_factory=set)
    answers: deque[str] = field(default_factory=lambda: deque(maxlen=LAST))

    def watch(self, context: BrowserContext) -> None:
        _WATCHERS[context] = self
        context.on("console", self._console)
        context.on("weberror", self._error)
        context.on("request", self._request)
        context.on("response", self._response)

    def expect(self, statuses: Collection[int]) -> None:
        """Expect these answers from now on, so that they are no failure."""
        self.expected |= set(statuses)

    def report(self) -> str:
        """Return the last answers, and everything that was wrong."""
        return "\n".join([*self.answers, *self.wrong])

    def check(self) -> None:
        assert not self.wrong, "the browser saw: " + "; ".join(self.wrong)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type != "error":
            return
        status = _STATUS.search(message.text)
        if status is None or int(status[1]) not in self.expected:
            self.wrong.append(f"console: {message.text} ({message.location.get('url', '')})")

    def _error(self, error: WebError) -> None:
        self.wrong.append(f"script: {error.error}")

    def _request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in _INSIDE and f"{parts.scheme}://{parts.netloc}" != self.origin:
            self.wrong.append(f"foreign request: {request.url}")

    def _response(self, response: Response) -> None:
        self.answers.append(f"{response.status}: {response.request.method} {response.url}")
        if response.status >= 500 and response.status not in self.expected:
            self.wrong.append(f"{response.status}: {response.request.method} {response.url}")


_WATCHERS: WeakKeyDictionary[BrowserContext, Watcher] = WeakKeyDictionary()


def watcher_of(page: Page) -> Watcher:
    """Return the watcher of the page's context."""
    return _WATCHERS[page.context]


def expect_answers(page: Page, statuses: Collection[int]) -> None:
    """Expect these answers from now on in the page's context, so that they are no failure of the test."""
    watcher_of(page).expect(statuses)
