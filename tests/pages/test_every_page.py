"""Every page there is, as the persons of the demonstration reach it by links: whole for everybody, in the language
asked for, lean, without a sideways scroll; and none that no link leads to."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import BrowserContext, Page

from gateway.domain.post import PostRole
from gateway.labels import _TEXTS
from gateway.web.door import SIGN_IN
from gateway.web.pages import ROUTES
from tests.pages import axe, pictures
from tests.pages.site import Site
from tests.pages.summary import CHECKED, Record
from tests.pages.walking import Walk

# What a browser loads for a first view: the page, the stylesheet, the scripts; as they travel.
MOST_BYTES = 150 * 1024
# They answer with a file, with text for a script, or with another page.
FILES = frozenset({"home", "language", "book_file", "book_print", "book_stamp"}) | {
    *("out_file", "out_file_viewed", "out_packet_kept"),
    *("outgoing_list_file", "incoming_list_file", "news", "news_number"),
    *("review_file", "journal_file", "dead_letter_file", "quarantined_file", "operations_report"),
    *("incoming_file", "incoming_packet_file", "incoming_evidence", "incoming_view"),
}
# Reached by no link: typed, sent in a letter, or led to where something is owed.
# The story leaves nothing that they are about, or they are an act's answer: the tests of each part look at them.
UNLINKED: frozenset[str] = frozenset(
    {"by_id", "out_resend", "out_cancel", "out_urge", "many_result", "one_time_link"}
) | {
    *("incoming_take_form", "incoming_hold_form", "incoming_refuse_form"),
    *("incoming_agree_form", "incoming_disagree_form", "incoming_purge_form"),
    *("api_key_revoke", "api_key_rotate", "mailbox_close", "delegation_approve", "delegation_end"),
    *("dead_letter", "dead_letter_drop", "dead_letter_retry", "dead_letters_ask", "copy_test", "notice_end"),
    *("quarantined_ask", "quarantined_bytes", "book_line", "compose_tree"),
    *(
        "compose_old",
        "compose_sent",
        "compose_sign",
        "compose_sign_view",
        "compose_suggest",
        "compose_groups",
    ),
    *(
        "import_preview",
        "reform",
        "reform_undo_page",
        "reform_report_page",
        "proposal",
        "proposal_approve_page",
    ),
    *("proposal_reject_page", "reform_propose"),
}
STARTS = ("/", "/tim-kiem?q=kiem")
WHO = (
    (PostRole.CLERK, "department"),
    (PostRole.CLERK, "province"),
    (PostRole.HEAD, "department"),
    (PostRole.AGENCY_ADMIN, "department"),
    (PostRole.OPERATOR, ""),
    (PostRole.AUDITOR, ""),
    (PostRole.CODES, ""),
)
_VIETNAMESE = {vi for vi, _ in _TEXTS.values()}
ENGLISH = {
    en for vi, en in _TEXTS.values() if en not in _VIETNAMESE and "{" not in en and re.search("[a-z]{4}", en)
}
_WORDS = """() => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim();
    if (text && !walker.currentNode.parentElement.closest('[lang=en], script, code, pre, .code')) found.push(text);
  }
  return found;
}"""


@pytest.mark.told
@pytest.mark.timeout(900)
async def test_every_page_is_whole_for_everybody(
    site: Site, context: BrowserContext, page: Page, record_property: Record
) -> None:
    walk, wrong = Walk(left_out=FILES), []
    async for route in walk.pages(page, SIGN_IN):
        wrong += await _faults(page, f"{route.name} (nobody)", record_property)
        await pictures.take(page, route.name)
    for role, actor in WHO:
        await context.clear_cookies()
        await site.signed_in(context, site.person(role, actor), actor or "department")
        if role is PostRole.CLERK:
            await page.goto("/phat-hanh")
            await page.locator("button[value=save]").last.click()
        for start in STARTS if role is PostRole.CLERK else STARTS[:1]:
            async for route in walk.pages(page, start):
                wrong += await _faults(page, f"{route.name} ({role})", record_property)
                await pictures.take(page, route.name)
    missed = {each.name for each in ROUTES if each.method == "GET"} - walk.done - FILES - UNLINKED
    wrong += [f"no link leads to {each}" for each in sorted(missed)]

    assert not wrong, "\n".join(wrong)


async def _faults(page: Page, name: str, record: Record) -> list[str]:
    """Everything that is wrong with the open page."""
    record(CHECKED, name)
    found = [f"{name}: {each}" for each in await axe.violations(page)]
    if leaked := ENGLISH & set(await page.evaluate(_WORDS)):
        found.append(f"{name}: English on a Vietnamese page: {sorted(leaked)}")
    if await page.evaluate("document.documentElement.scrollWidth > innerWidth + 1"):
        found.append(f"{name}: the page scrolls sideways")
    if (size := await _bytes(page)) > MOST_BYTES:
        found.append(f"{name}: {size} bytes")
    if not (await page.title()).strip() or await page.locator("h1").count() != 1:
        found.append(f"{name}: a title and one h1")
    return found


async def _bytes(page: Page) -> int:
    """Of the page and of all that it loads, as they travel, whatever the browser had kept."""
    page_bytes = await page.evaluate("performance.getEntriesByType('navigation')[0].encodedBodySize")
    others = await page.evaluate(
        "performance.getEntriesByType('resource').reduce((sum, each) => sum + each.encodedBodySize, 0)"
    )
    return int(page_bytes) + int(others)
