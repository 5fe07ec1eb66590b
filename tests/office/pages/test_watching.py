"""The watch over pages sees each kind of fault that a page can have and fails its test, and the cost of a task is
counted."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Page

from tests.office.pages import axe
from tests.office.pages.effort import Hand
from tests.office.pages.watching import Watcher

# Without one Chromium asks for the site's own, which is not there.
ICON = "<link rel=icon href='data:,'>"
BROKEN = {
    "/console": "<script>console.error('broken')</script>",
    "/script": "<script>nobody.knows()</script>",
    "/foreign": "<img alt='' src='http://elsewhere.example/a.png'>",
    "/failed": "<img alt='' src='/fails'>",
}


@pytest_asyncio.fixture(loop_scope="session")
async def origin() -> AsyncIterator[str]:
    """Serve pages that do wrong, and yield the server's address."""

    async def answer(request: web.Request) -> web.Response:
        body = f"<html lang=vi><title>Trang</title>{ICON}<p>Trang{BROKEN[request.path]}"
        return web.Response(text=f"<!doctype html>{body}", content_type="text/html")

    async def fails(request: web.Request) -> web.Response:
        return web.Response(status=503)

    async def unreadable(request: web.Request) -> web.Response:
        body = f"<html>{ICON}<body><img src='data:,'><input><p style='color:#ccc'>Khó đọc</p></body></html>"
        return web.Response(text=f"<!doctype html>{body}", content_type="text/html")

    app = web.Application()
    for path in BROKEN:
        app.router.add_get(path, answer)
    app.router.add_get("/fails", fails)
    app.router.add_get("/unreadable", unreadable)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


@pytest.mark.parametrize(
    ("path", "problem_start"),
    [
        ("/console", "console: broken"),
        ("/script", "script: "),
        ("/foreign", "foreign request: http://elsewhere.example/a.png"),
        ("/failed", "503: GET"),
    ],
)
async def test_a_page_that_does_wrong_fails_its_test(
    page: Page, watcher: Watcher, path: str, problem_start: str
) -> None:
    await page.goto(path, wait_until="networkidle")
    await page.close()

    assert any(problem.startswith(problem_start) for problem in watcher.wrong), watcher.wrong
    with pytest.raises(AssertionError, match="the browser saw"):
        watcher.check()
    watcher.wrong.clear()


async def test_an_answer_that_is_expected_is_no_failure(page: Page, watcher: Watcher) -> None:
    watcher.expect({503})

    await page.goto("/failed", wait_until="networkidle")

    assert watcher.wrong == []


async def test_a_page_that_not_everybody_can_use_is_told_rule_by_rule(page: Page) -> None:
    await page.goto("/unreadable")

    rules = {violation.rule for violation in await axe.violations(page)}

    assert {"html-has-lang", "document-title", "image-alt", "label", "color-contrast"} <= rules
    with pytest.raises(AssertionError, match="image-alt"):
        await axe.check(page)


async def test_what_a_task_costs_is_counted(hand: Hand) -> None:
    await hand.page.goto("/unreadable")

    with hand.task("ground: type a word") as cost:
        await hand.fill("input", "Bốn")
        await hand.press("Control+Enter")
        await hand.click("p")

    assert (cost.clicks, cost.keys, cost.letters) == (2, 1, 3)
    with pytest.raises(AssertionError, match="at most 0 clicks"), hand.task("too dear", most_clicks=0):
        await hand.click("p")
