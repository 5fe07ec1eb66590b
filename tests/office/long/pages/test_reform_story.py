"""Two departments become one on a future day, decided on the pages by two people, with a document in flight. All that
happens to documents is tested in `tests/acceptance/test_flows_reform.py`. The test steps one town on the embedded axis by
hand, with its pages open."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.serialization import Encoding
from playwright.async_api import BrowserContext, Page

from gateway.cli.applications import build_application
from gateway.cli.serve import listening
from gateway.domain.account import HostedAgency, NumberingMode
from gateway.domain.wall_clock import local
from gateway.ops.checks import Watch
from gateway_labs.authority import Authority
from tests.office.pages import axe, deciders
from tests.office.pages.deciders import GO, Decider
from tests.office.pages.watching import expect_answers
from tests.office.support.node import COMMUNE, DEPARTMENT, PROVINCE, OfficeTown, opened

DAY = timedelta(days=1)
HEIR = f"{PROVINCE}.31"
DECISION = "12/QĐ-UBND"
NEW = "/co-quan/thay-doi/moi"


@pytest_asyncio.fixture(loop_scope="session")
async def town(tmp_path: Path) -> AsyncIterator[OfficeTown]:
    async with opened(tmp_path / "node") as town:
        yield town


@pytest_asyncio.fixture(loop_scope="session")
async def address(town: OfficeTown) -> AsyncIterator[str]:
    app = build_application(town.node, Watch(node=town.node))
    async with listening(app, "api", "127.0.0.1", 0, 1.0) as url:
        yield url


@pytest.fixture
def origin(address: str) -> str:
    return address


def today(town: OfficeTown) -> date:
    return local(town.clock.now()).date()


async def check_notice(page: Page, notice: str) -> None:
    """Check that the act was done and the page that follows says so."""
    await page.wait_for_url(f"**told={notice}")
    assert await page.locator("[data-told]").count() == 1


async def merged(page: Page, town: OfficeTown, proposer: Decider) -> str:
    """State the merger step by step and propose it; return the address of the proposal."""
    await page.goto(f"{NEW}?ma={DEPARTMENT}")
    await axe.check(page, "wizard 1")
    await page.check("[name=kind][value=consolidate]")
    await page.click(GO)
    assert await page.input_value("#sources") == DEPARTMENT
    await page.fill("#sources", f"{DEPARTMENT}\n{COMMUNE}")
    await page.fill("#code_1", HEIR)
    await page.fill("#name_1", "Sở Hợp nhất")
    await page.fill("#parent_1", PROVINCE)
    await axe.check(page, "wizard 2")
    await page.click(GO)
    await page.fill("#number", DECISION)
    await page.fill("#issued", today(town).strftime("%d/%m/%Y"))
    await page.fill("#issuer", "UBND tỉnh")
    await page.fill("#effective", (today(town) + 5 * DAY).strftime("%d/%m/%Y"))
    await axe.check(page, "wizard 3")
    await page.click(GO)
    await page.select_option("#queued", "redirect")
    assert HEIR in await page.inner_text("main")
    await axe.check(page, "wizard 4")
    await page.click(GO)
    assert (today(town) + 5 * DAY).strftime("%d/%m/%Y") in await page.inner_text("main")
    await axe.check(page, "wizard 5")
    await proposer.decides(page, "reforms.proposed")
    return page.url.split("?")[0]


async def approved(page: Page, context: BrowserContext, other: Decider, address: str, digits: str) -> None:
    await other.comes_in(context)
    await page.goto(f"{address}/phe-duyet")
    await page.fill("#typed_1", digits)
    await other.decides(page, "reforms.approved")


async def at_home(
    town: OfficeTown, page: Page, context: BrowserContext, both: tuple[Decider, Decider]
) -> None:
    """Host the new agency on this node with a key; its certificate is proposed and approved on the pages."""
    await town.node.store.accounts.add_hosted(
        HostedAgency(id=town.clock.new_id("agy_"), code=HEIR, name="Sở Hợp nhất", numbering=NumberingMode.B)
    )
    entry = town.node.keys.generate(HEIR)
    authority = Authority.load(town.node.settings.node.data_dir / "authority")
    issued = authority.issue_for_request(town.node.keys.request(HEIR, entry.key_id, "Demo"), town.clock.now())
    pem = issued.public_bytes(Encoding.PEM)
    town.node.keys.import_certificate(HEIR, pem)
    await both[0].comes_in(context)
    await page.goto(f"/co-quan/de-nghi/chung-thu-so?ma={HEIR}")
    await page.set_input_files("#file", {"name": "a.pem", "mimeType": "text/plain", "buffer": pem})
    await axe.check(page, "certificate")
    await page.click(GO)
    await axe.check(page, "certificate looked at")
    fingerprint = "".join((await page.inner_text(".beside .code >> nth=0")).split())
    await both[0].decides(page, "reforms.proposed")
    await approved(page, context, both[1], page.url.split("?")[0], fingerprint[-16:])


async def test_two_departments_become_one_on_the_pages(
    town: OfficeTown, address: str, context: BrowserContext, page: Page
) -> None:
    both = await deciders.two(town.node, address, town.clock.advance)
    await both[0].comes_in(context)
    proposal = await merged(page, town, both[0])

    expect_answers(page, {422})
    await page.goto(f"{proposal}/phe-duyet")
    assert DECISION not in await page.content(), "the approver reads the number in the document itself"
    await page.fill("#typed_1", DECISION)
    await both[0].signs(page)
    await page.click(GO)
    assert await page.locator("[data-problems]").count() == 1, "the same person approves nothing"
    await approved(page, context, both[1], proposal, DECISION)

    town.clock.advance(4 * DAY)
    await town.send("4", DEPARTMENT, COMMUNE, sender=PROVINCE, issued_on=today(town))
    await town.pack()
    town.clock.advance(DAY)
    await at_home(town, page, context, both)
    await town.carry()
    assert [document.number for document in await town.incoming(HEIR)] == ["4"]
    await told_afterwards(page, context, both[0], proposal.rpartition("/")[2])


async def told_afterwards(page: Page, context: BrowserContext, by: Decider, id: str) -> None:
    """Check that old codes lead to the successor on every page; the change owes its report, and can be undone no more."""
    await by.comes_in(context)
    await page.goto(f"/co-quan/tra-cuu?ma={DEPARTMENT}")
    assert HEIR in await page.inner_text("[role=status] >> nth=0")
    await page.goto("/co-quan/thay-doi")
    assert await page.locator("#duties").count() == 1
    await axe.check(page, "changes")
    await page.goto(f"/co-quan/thay-doi/{id}")
    await axe.check(page, "change")
    assert await page.locator("a[href$='/hoan-tac']").count() == 0, "documents went to the new code"
    await page.click("main a[href$='/bao-cao']")
    await page.fill("#how", "7/BC")
    await page.click(GO)
    await check_notice(page, "reforms.reported")
    await page.goto("/co-quan/thay-doi")
    assert await page.locator("#duties").count() == 0
