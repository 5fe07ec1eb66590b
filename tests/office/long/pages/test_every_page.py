"""The persons of the demonstration reach every page by links: each page is whole for each of them, in the language asked
for, lean, without a sideways scroll; a link leads to every page, and each has something to show."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import BrowserContext, Page

from gateway.domain.account import AgencyScope
from gateway.domain.document import OutState
from gateway_office.domain.roles import PostRole
from gateway_office.web.page_handling import SIGN_IN
from gateway_office.web.pages import ROUTES
from tests.office.pages import axe, pictures
from tests.office.pages.site import Site
from tests.office.pages.summary import CHECKED, Record
from tests.office.pages.walking import Walk
from tests.office.support.words import MACHINE_WORDS, OPERATORS_WORDS, entries, forms, texts

# What a browser loads for a first view: the page, the stylesheet, the scripts; as they travel. The picture of a sheet
# beside them is the document's own.
MOST_BYTES = 120 * 1024
# With the page itself, its icon and its line of news six requests: stylesheet, scripts, and those of one page alone.
MOST_FILES = 3
# They answer with a file, with text for a script, or with another page.
FILES = frozenset(
    {
        *(
            "home",
            "language",
            "report_file",
            "record_files_file",
            "book_file",
            "book_numbers_file",
            "book_print",
        ),
        *("out_file", "out_file_viewed", "out_page", "out_packet_kept", "outgoing_list_file"),
        *(
            "incoming_list_file",
            "news",
            "news_number",
            "import_faults",
            "review_file",
            "account_form",
            "emblem",
        ),
        *("account_request_pdf", "journal_file", "dead_letter_file", "quarantined_file", "operations_report"),
        "inspection_file",
        *("incoming_file", "incoming_packet_file", "incoming_evidence", "incoming_view", "incoming_page"),
        *("incoming_proof", "incoming_slip", "out_proof", "destruction_list", "records_report_file"),
    }
)
# Reached by no link: typed, sent in a letter, or led to where something is owed; or what the demonstration's settings and
# content do not lead to, or an act's answer: the tests of each part look at them.
UNLINKED: frozenset[str] = frozenset(
    {
        *("by_id", "one_time_link", "many_result", "out_recall_ask", "out_cancel"),
        *("compose_old", "compose_sent", "compose_sign_view", "compose_suggest", "search_offers"),
        "agencies_named",
        # Off in the demonstration: `pages.verification`.
        "issued",
        *("import_preview", "import_undo_page", "reform_propose"),
        *("incoming_hand_back_form", "incoming_reopen_form"),
        *("incoming_purge_form", "quarantined_ask", "quarantined_bytes"),
        # The agencies of the demonstration number by their document systems, so that no number is there to be made void.
        "book_number_void",
        "work_file_archive",  # no file of the demonstration is closed
        "preservation_end",  # no document of the demonstration has to stay
        # No retention of the demonstration has ended.
        *(
            "destruction",
            "destruction_assess",
            "destruction_approve",
            "destruction_confirm",
            "destruction_stop",
        ),
        # No file of the demonstration is open, and no letter of it went on paper to be tied to another.
        *("record_file", "record_file_out", "record_list_issue", "link_put_paper"),
        *("webhook", "webhook_act", "report_schedule_ask", "node_schedule_ask", "rule_ask"),
        # No agency of the demonstration wants a second person for changes of rights.
        *("rights_confirm", "rights_refuse"),
        # No agency of the demonstration asks for accounts, and none has handed in its list.
        "account_request",
        # No letter of the demonstration introduces a seal.
        *("introductions", "introduction"),
        # No issuer's list came; a tab of an agency's page leads to its seals, and the walk sees its first tab.
        *("seal", "seal_right_page", "seal_end_page", "trust_list", "trust_list_page", "trust_recall_page"),
        *("trust_officer_page", "trust_end_page"),
    }
)
STARTS = ("/", "/tim-kiem?q=kiem")
# Route and words of what may have nothing to show, and why.
EMPTY = {
    ("report", "report.empty"): "a period may have no documents with a deadline, or none that want a reply",
    ("reports", "report.empty"): "a unit may have nothing this month",
    ("account_requests", "account_request.empty"): "no agency of the demonstration asks for accounts",
    ("agencies_tree", "agencies.leaf"): "most agencies have none below them",
    ("agency", "agencies.legacy.none"): "most agencies never had another code",
    ("agency", "agencies.no_certificate"): "an agency may be known and not be on the axis yet",
    ("journal", "journal.empty"): "of one document, before anybody has opened it",
    ("api_key_calls", "calls.none"): "no program has called with it yet",
    ("book_numbers", "books.numbers.empty"): "the demonstration's agencies number by their document systems",
    ("work_files", "timer.file.empty"): "no file of the demonstration is closed",
    ("dashboard", "dashboard.done"): "nothing of the demonstration waits for the head",
    ("tasks", "dashboard.done"): "nothing of the demonstration waits for the head",
    (
        "proposals",
        "reforms.waiting.none",
    ): "no change of the demonstration's registry waits for a second person",
    ("line_test", "operating.line.empty"): "nobody has pressed the button yet",
    ("operations_jobs", "operating.beats.none"): "counted every five minutes of a node at work",
    ("operations_tries", "operating.tries.empty"): "the line to the axis is well",
    ("trust_sources", "delegated.issuers.none"): "no issuer of the demonstration gives lists of certificates",
    ("trust_sources", "delegated.lists.none"): "no issuer of the demonstration gives lists of certificates",
    ("destructions", "books.destruction.none"): "no retention of the demonstration has ended",
    ("preservation", "books.preservation.none"): "no document of the demonstration has to stay",
    ("record_files", "book.file_list.empty"): "no document of the demonstration states a file of records",
    ("report_schedules", "report.schedule.empty"): "no report of the demonstration is sent by the calendar",
    ("rules", "admin.rules.empty"): "no agency of the demonstration has rules",
    ("node_schedules", "report.schedule.empty"): "no report of the demonstration is sent by the calendar",
    ("webhooks", "webhook.empty"): "no program of the demonstration is told of anything",
    ("out_document", "outgoing.no_recipients"): "nothing of a draft is on its way to anybody",
}
# Of a unit's people the lists show what the unit was given, which is taken in, and what they wrote themselves.
EMPTY_TO_UNITS = {
    ("incoming", "listing.empty.new"),
    ("incoming", "listing.empty.tab"),
    ("incoming", "listing.empty"),
    ("outgoing", "listing.empty.tab"),
    ("outgoing", "listing.empty"),
    ("tasks", "tasks.empty"),
}
# Rights are lent within an agency.
EMPTY_TO_NODE = {("delegations", "lending.empty")}
VISITORS = (
    (PostRole.CLERK, "department"),
    (PostRole.CLERK, "province"),
    (PostRole.HEAD, "department"),
    (PostRole.OFFICER, "department"),
    (PostRole.AGENCY_ADMIN, "department"),
    (PostRole.OPERATOR, ""),
    (PostRole.AUDITOR, ""),
    (PostRole.CODES, ""),
    (PostRole.INSPECTOR, ""),
)
_VIETNAMESE = set(texts("vi"))
ENGLISH = {en for en in texts("en") if en not in _VIETNAMESE and "{" not in en and re.search("[a-z]{4}", en)}
# Text that may grow to four times its size has this width of a usual screen (WCAG 2.2, 1.4.10).
NARROWEST = 320
_TOO_WIDE = "document.documentElement.scrollWidth > innerWidth + 1"
_FILES_OF = "document.querySelectorAll('link[rel=stylesheet], script[src]').length"
# Details for experts are shown to clerks on these, and elsewhere behind a heading of their own.
_EXPERT = frozenset({"out_packet", "incoming_packet"})
_CLERKS = frozenset({PostRole.CLERK, PostRole.HEAD, PostRole.OFFICER})
_NO_WORDS = "[lang=en], script, code, pre, .code"
_WORDS = """(beside) => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim();
    if (text && !walker.currentNode.parentElement.closest(beside)) found.push(text);
  }
  return found;
}"""


@pytest.mark.laid
@pytest.mark.timeout(900 if pictures.folder() is None else 3600)
async def test_every_page_is_whole_for_everybody(
    site: Site, context: BrowserContext, page: Page, record_property: Record
) -> None:
    walk, wrong = Walk(left_out=FILES), []
    async for route in walk.pages(page, SIGN_IN):
        wrong += await _faults(page, f"{route.name} (nobody)", record_property)
        await pictures.take(page, route.name, pictures.to_look_at(route.name))
    for role, actor in VISITORS:
        await context.clear_cookies()
        await site.signed_in(context, site.person(role, actor), actor or "department")
        walk.empty.clear()
        for start in await _starts(site, role, actor):
            async for route in walk.pages(page, start):
                wrong += await _faults(page, f"{route.name} ({role})", record_property)
                if role in _CLERKS and route.name not in _EXPERT:
                    wrong += await _machine_words(page, f"{route.name} ({role})")
                await pictures.take(page, route.name, pictures.to_look_at(route.name))
        wrong += _nothing_to_show(walk, role)
    missed = {x.name for x in ROUTES if x.method == "GET"} - walk.visited - FILES - UNLINKED
    wrong += [f"no link leads to {x}" for x in sorted(missed)]

    assert not wrong, "\n".join(wrong)


async def _starts(site: Site, role: PostRole, actor: str) -> tuple[str, ...]:
    """Return the front page; for a head also the accepted documents; for a clerk also a search, and the pages of a draft
    that a button of its form leads to."""
    if role is PostRole.HEAD:
        return (*STARTS[:1], "/van-ban-den?tab=accepted")
    if role is not PostRole.CLERK:
        return STARTS[:1]
    scope = AgencyScope(agency_id=await site.agency(actor), principal_id="reader")
    async with site.node.store.read(scope) as work:
        drafts = (await work.outgoing.page(limit=1, states=(OutState.DRAFT,))).items
    return (
        *STARTS,
        *(f"/phat-hanh/{draft.id}/{path}" for draft in drafts for path in ("cay-co-quan", "ky-so")),
    )


def _nothing_to_show(walk: Walk, role: PostRole) -> list[str]:
    may = {
        *EMPTY,
        *(EMPTY_TO_UNITS if role in (PostRole.OFFICER, PostRole.UNIT_HEAD) else ()),
        *(EMPTY_TO_NODE if role.is_of_node else ()),
    }
    words = entries("vi")
    heads = [(route, forms(words[key])[0].partition("{")[0]) for route, key in may]
    return [
        f"{path} ({role}) has nothing to show: {text}"
        for name, text, path in walk.empty
        if not any(name == route and text.startswith(head) for route, head in heads)
    ]


async def _faults(page: Page, name: str, record: Record) -> list[str]:
    """List the faults of the open page."""
    record(CHECKED, name)
    faults = [f"{name}: {x}" for x in await axe.violations(page)]
    faults += [f"{name} (dark): {x}" for x in await axe.dark_violations(page)]
    if leaked := ENGLISH & set(await page.evaluate(_WORDS, _NO_WORDS)):
        faults.append(f"{name}: English on a Vietnamese page: {sorted(leaked)}")
    for width in (NARROWEST, page.viewport_size["width"] if page.viewport_size else 0):
        await page.set_viewport_size({"width": width, "height": 768})
        if await page.evaluate(_TOO_WIDE):
            faults.append(f"{name}: the page scrolls sideways at {width}")
    if (size := await taken_bytes(page)) > MOST_BYTES:
        faults.append(f"{name}: {size} bytes")
    if (files := await page.evaluate(_FILES_OF)) > MOST_FILES:
        faults.append(f"{name}: {files} files beside the page")
    if not (await page.title()).strip() or await page.locator("h1").count() != 1:
        faults.append(f"{name}: a title and one h1")
    return faults


async def _machine_words(page: Page, name: str) -> list[str]:
    lines = await page.evaluate(_WORDS, f"{_NO_WORDS}, .technical")
    phrases = [line for line in lines if MACHINE_WORDS.search(line) or OPERATORS_WORDS.search(line)]
    return [f"{name}: machine words before a clerk: {phrases}"] if phrases else []


async def taken_bytes(page: Page) -> int:
    """Count the bytes of the page and all that it loads but pictures, as sent, whether or not the browser had them
    cached."""
    page_bytes = await page.evaluate("performance.getEntriesByType('navigation')[0].encodedBodySize")
    linked_bytes = await page.evaluate(
        "performance.getEntriesByType('resource').filter(each => each.initiatorType !== 'img')"
        ".reduce((sum, each) => sum + each.encodedBodySize, 0)"
    )
    return int(page_bytes) + int(linked_bytes)
