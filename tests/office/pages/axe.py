"""Asks axe-core whether the open page is accessible: WCAG 2.0, 2.1 and 2.2, levels A and AA. Out: what is wrong, readable;
and the page's name in the list that the run prints at its end."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Page

from tests.office.pages.summary import CHECKED
from tests.office.pages.watching import watcher_of

TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa")
_RUN = """tags => axe.run(document, {runOnly: {type: "tag", values: tags}, resultTypes: ["violations"]})"""
# A quotation mark in a class: markup of ours that was escaped by mistake.
_TORN = (
    '() => [...document.querySelectorAll(\'[class*="\\\\""]\')].map((torn) => torn.outerHTML.slice(0, 200))'
)
_TORN_HELP = "Markup must not be escaped inside of an attribute"
_COLOURS = """() => axe.run(document, {runOnly: {type: "rule", values: ["color-contrast"]}, resultTypes: ["violations"]})"""


@dataclass(frozen=True, kw_only=True)
class Violation:
    """One rule that the page breaks, and where."""

    rule: str
    impact: str
    help: str
    places: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.rule} ({self.impact}): {self.help}\n" + "\n".join(
            f"    {place}" for place in self.places
        )


async def violations(page: Page) -> list[Violation]:
    """Return what is wrong with the page once its styles are there: on a busy machine its words come long before them."""
    await page.wait_for_load_state("load")
    # By the debugger: the page's own policy lets no script of ours in, and must not.
    await page.evaluate(_script())
    outcome = await page.evaluate(_RUN, list(TAGS))
    torn = await page.evaluate(_TORN)
    faults = (
        [Violation(rule="torn-markup", impact="serious", help=_TORN_HELP, places=tuple(torn))] if torn else []
    )
    return [_violation(violation) for violation in outcome["violations"]] + faults


async def dark_violations(page: Page) -> list[Violation]:
    """Return what is wrong in the dark theme; themes differ in their colours alone."""
    await page.emulate_media(color_scheme="dark")
    await page.evaluate(_script())
    outcome = await page.evaluate(_COLOURS)
    await page.emulate_media(color_scheme="light")
    return [_violation(violation) for violation in outcome["violations"]]


async def check(page: Page, name: str = "") -> None:
    """Fail with every violation on the page. `name` stands in the list in place of the path."""
    problems = await violations(page)
    watcher_of(page).record(CHECKED, name or urlsplit(page.url).path)
    assert not problems, f"{page.url}\n" + "\n".join(map(str, problems))


def _violation(rule: dict[str, Any]) -> Violation:  # Any: JSON
    places = [
        f"{' '.join(map(str, node['target']))}: {_first_line(node.get('failureSummary'))}"
        for node in rule["nodes"]
    ]
    return Violation(rule=rule["id"], impact=rule["impact"] or "", help=rule["help"], places=tuple(places))


def _first_line(summary: str | None) -> str:
    """Return the line that says what to mend; the line before it says only that something is to be mended."""
    lines = [line.strip() for line in (summary or "").splitlines() if line.strip()]
    return lines[1] if len(lines) > 1 else "".join(lines)


@cache
def _script() -> str:
    return resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
