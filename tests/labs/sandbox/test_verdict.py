"""The sandbox judges a program that connects to it: a well-made one loses no point, the page shows the same as the call,
and the guides list the points of the table."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.async_api import async_playwright, expect

from gateway.words import labels
from gateway_client import Client, Problem
from gateway_labs.sandbox.opened import Running
from gateway_labs.sandbox.verdict.points import POINTS
from tests.labs.support.sandbox import at_work
from tests.labs.support.tried_program import FAULTS
from tests.office.pages.axe import dark_violations, violations
from tests.office.pages.conftest import ARGUMENTS, PATIENCE_MS
from tests.services import chromium
from tests.support.services import missing

DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with at_work(tmp_path_factory.mktemp("verdict") / "box") as sandbox_run:
        yield sandbox_run


def test_each_point_has_its_planted_fault() -> None:
    assert list(FAULTS) == [*POINTS]


def test_a_verdict_is_of_one_key_and_can_be_forgotten(running: Running) -> None:
    with Client(running.url, running.key) as node:
        assert node.call("POST", "/sandbox/verdict", {"patience_s": 1})["state"] == "running"
        assert node.call("GET", "/sandbox/verdict")["began_at"]
        assert node.call("DELETE", "/sandbox/verdict")["state"] == "idle"
        idle = node.call("GET", "/sandbox/verdict")
        assert (idle["state"], idle["began_at"], idle["unseen"]) == ("idle", None, len(POINTS))
        with pytest.raises(Problem, match="patience_s"):
            node.call("POST", "/sandbox/verdict", {"patience_s": 0})


def test_a_call_that_waited_before_the_trial_began_is_judged_too(running: Running) -> None:
    """Programs are started first; the document that such a call brings was leased."""
    with Client(running.url, running.key) as node, ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(Client(running.url, running.key).call, "GET", "/inbox?lease=60&wait=30")
        node.call("GET", "/me")
        node.call("POST", "/sandbox/verdict", {"patience_s": 20})
        (item,) = waiting.result()["data"]
        node.call("POST", f"/inbox/{item['id']}/ack")
        points = {point["key"]: point["verdict"] for point in node.call("GET", "/sandbox/verdict")["points"]}
        node.call("DELETE", "/sandbox/verdict")
    assert points[next(iter(POINTS))] == "right"


async def test_the_page_begins_shows_and_forgets_by_keyboard(running: Running) -> None:
    program = chromium.program(os.environ.get(chromium.PATH, ""))
    if program is None:
        missing("Chromium is not installed; `make test` brings it")
    expect.set_options(timeout=PATIENCE_MS)
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(
            executable_path=program, args=ARGUMENTS, chromium_sandbox=os.geteuid() != 0
        )
        page = await browser.new_page(base_url=running.url)
        page.set_default_timeout(PATIENCE_MS)
        for lang in ("vi", "en"):
            await page.goto(f"/docs/verdict?lang={lang}")
            assert await violations(page) == []
        rows = page.locator("tbody tr")
        await expect(rows).to_have_count(len(POINTS))
        for key, outcome in (("sbx_wrong", "judge.page.no_key"), (running.key, "judge.page.verdict")):
            await page.get_by_label(labels.say("judge.page.key", "en")).focus()
            await page.keyboard.type(key)
            await page.keyboard.press("Tab")
            await page.keyboard.press("Enter")
            await expect(page.get_by_text(labels.say(outcome, "en"), exact=True)).to_be_visible()
            assert await violations(page) == []
        assert await dark_violations(page) == []
        heading = labels.say("judge.page.of", "en", name=running.key[:10])
        await expect(page.get_by_role("heading", name=heading)).to_be_visible()
        await page.get_by_label(labels.say("judge.page.key", "en")).focus()
        await page.keyboard.type(running.key)
        for press in ("Tab", "Tab", "Enter"):
            await page.keyboard.press(press)
        await expect(page.get_by_text(labels.say("judge.page.none", "en"))).to_be_visible()
        await browser.close()


def test_the_guides_list_the_points() -> None:
    english = (DOCS / "integrators.md").read_text("utf-8")
    vietnamese = (DOCS / "huong-dan-tich-hop.md").read_text("utf-8")
    for n, key in enumerate(POINTS, 1):
        title, trial = (labels.say(f"judge.{key}.{part}", "en") for part in ("title", "trial"))
        assert f"| {n} | {title} | {trial} |" in english
        assert f"\n{n}. {labels.say(f'judge.{key}.title', 'vi')}.\n" in vietnamese
    assert (
        f"| {len(POINTS) + 1} |"
        not in english.partition("## A verdict on your program")[2].partition("\n## ")[0]
    )
