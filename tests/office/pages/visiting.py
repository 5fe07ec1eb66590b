"""Small steps of a visit that every test of the pages takes: a person comes in, a page is opened, a box is measured."""

from __future__ import annotations

from typing import Protocol

from playwright.async_api import FloatRect, Locator, Page, Response, ViewportSize

from gateway.domain.account import AgencyScope
from gateway_office.domain.roles import PostRole
from tests.office.pages.site import Site

NARROW: ViewportSize = {"width": 1024, "height": 768}
"""A screen on which no paper stands beside a list: each form has a page of its own."""


class Enter(Protocol):
    """Signs a person in, in this browser, opens the page at `path`, and returns the token. `at` is the agency that a person
    of the node looks at."""

    async def __call__(
        self, role: PostRole = PostRole.CLERK, actor: str = "department", at: str = "", path: str = ""
    ) -> str: ...


async def opened(page: Page, path: str, status: int = 200) -> Response:
    answer = await page.goto(path)
    assert answer is not None
    assert answer.status == status, f"{path}: {answer.status}"
    return answer


async def box_of(locator: Locator) -> FloatRect:
    """Return the element's place on the screen."""
    box = await locator.bounding_box()
    assert box is not None
    return box


async def scope_of(site: Site, actor: str = "department") -> AgencyScope:
    return AgencyScope(agency_id=await site.agency(actor), principal_id="clerk")


async def send_form(page: Page, notice: str = "") -> None:
    """Press the main button of the page's form, and wait for the page that says that it was done."""
    await page.locator("[data-main]").click()
    await page.wait_for_url(f"**told={notice}*")
