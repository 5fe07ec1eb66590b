"""A process has one Chromium, a test has one context and one site, and every page is watched."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Generator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from gateway_office.domain.roles import PostRole
from tests.office.pages.effort import Hand
from tests.office.pages.guest import Guest, calling
from tests.office.pages.mail import Mail
from tests.office.pages.site import Site
from tests.office.pages.site import opened as open_site
from tests.office.pages.summary import Record
from tests.office.pages.visiting import Enter, opened
from tests.office.pages.watching import Watcher
from tests.office.support.scenes import TownScene
from tests.services import chromium
from tests.support.fixtures import cheap_passwords as cheap_passwords
from tests.support.services import missing
from tests.support.waiting import LIMIT_S

# The tests of the pages, those that take long too.
FOLDERS = (Path(__file__).parent, Path(__file__).parents[1] / "long" / "pages")
# A name that is not the server's leads nowhere, so that a page which asks elsewhere is seen and nothing leaves.
ARGUMENTS = (
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
DATABASES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)]
LOCALE, ZONE = "vi-VN", "Asia/Ho_Chi_Minh"
FAILED = pytest.StashKey[bool]()
PATIENCE_MS = LIMIT_S * 1000


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "on_both: on SQLite and on PostgreSQL")
    config.addinivalue_line("markers", "told: on a site where the demonstration's story was told")
    config.addinivalue_line("markers", "laid: on a site with all that the demonstration shows")
    # What a page is expected to show has no part in the patience of its context; the library's own is five seconds.
    expect.set_options(timeout=PATIENCE_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the tests that use the browser share its event loop, because it lives as long as the process. Tests of the story
    get more time: the first of them sets it up, and the others wait."""
    shared, patient = pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(600)
    for item in items:
        if any(map(item.path.is_relative_to, FOLDERS)) and pytest_asyncio.is_async_test(item):
            item.add_marker(shared, append=False)
            if {"told", "laid"} & {mark.name for mark in item.iter_markers()}:
                item.add_marker(patient)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test on SQLite, and on PostgreSQL too where it is marked `on_both`."""
    if "database" in metafunc.fixturenames:
        both = metafunc.definition.get_closest_marker("on_both")
        metafunc.parametrize("database", DATABASES if both else ["sqlite"], indirect=True)


@pytest.fixture
def database(request: pytest.FixtureRequest) -> str:
    """Return the address of a database of another kind, or an empty string for SQLite."""
    return "" if request.param == "sqlite" else str(request.getfixturevalue("migrated_postgres_url"))


@pytest_asyncio.fixture(loop_scope="session")
async def site(request: pytest.FixtureRequest, tmp_path: Path, database: str) -> AsyncIterator[Site]:
    """Open a node of its own at work: with nothing sent yet, or after the demonstration's story for a test marked `told`,
    or with its desks laid for one marked `laid`."""
    marked = {mark.name for mark in request.node.iter_markers()}
    kind = TownScene.DESKS if "laid" in marked else TownScene.STORY if "told" in marked else TownScene.PEOPLE
    async with open_site(tmp_path / "site", kind, database=database) as new_site:
        yield new_site


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    program = chromium.program(os.environ.get(chromium.PATH, ""))
    if program is None:
        missing("Chromium is not installed; `make test` brings it")
    async with async_playwright() as driver:
        started = await driver.chromium.launch(
            executable_path=program, args=ARGUMENTS, chromium_sandbox=os.geteuid() != 0
        )
        yield started
        await started.close()


@pytest.fixture
def origin(site: Site) -> str:
    """Return the address of the test's pages, the only one that they may send requests to."""
    return site.url


@pytest.fixture
def watcher(origin: str, record_property: Record) -> Watcher:
    return Watcher(origin=origin, record=record_property)


@pytest_asyncio.fixture(loop_scope="session")
async def context(browser: Browser, watcher: Watcher) -> AsyncIterator[BrowserContext]:
    """Open a fresh browser context; the test fails with what its pages did wrong."""
    new_context = await browser.new_context(
        base_url=watcher.origin,
        locale=LOCALE,
        timezone_id=ZONE,
        viewport={"width": 1366, "height": 768},
        service_workers="block",
    )
    new_context.set_default_timeout(PATIENCE_MS)
    watcher.watch(new_context)
    yield new_context
    await new_context.close()
    watcher.check()


@pytest.fixture
def mail(site: Site) -> Mail:
    return Mail(site)


@pytest.fixture
def enter(site: Site, context: BrowserContext, page: Page) -> Enter:
    """Return a function that signs another person in, in the same browser, and opens a page."""

    async def enters(
        role: PostRole = PostRole.CLERK, actor: str = "department", at: str = "", path: str = ""
    ) -> str:
        actor = "" if role.is_of_node else actor
        await context.clear_cookies()
        token = await site.signed_in(context, site.person(role, actor), at or actor)
        if path:
            await opened(page, path)
        return token

    return enters


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to the report of a failed test what its browser saw: the error seldom says why an element was missing."""
    report = yield
    watcher = getattr(item, "funcargs", {}).get("watcher")
    if report.when == "call" and report.failed and isinstance(watcher, Watcher):
        item.stash[FAILED] = True
        report.sections.insert(0, ("what the browser saw", watcher.report()))
    return report


@pytest_asyncio.fixture(loop_scope="session")
async def page(request: pytest.FixtureRequest, context: BrowserContext) -> AsyncIterator[Page]:
    """Open a page; print what it shows after a test that failed."""
    new_page = await context.new_page()
    yield new_page
    if request.node.stash.get(FAILED, False) and not new_page.is_closed():
        print(f"{new_page.url} showed:\n{await new_page.locator('body').inner_text()}")


@pytest_asyncio.fixture(loop_scope="session")
async def plain_page(browser: Browser, watcher: Watcher) -> AsyncIterator[Page]:
    """Open a page in a browser of its own that runs no script, watched as well."""
    new_context = await browser.new_context(
        base_url=watcher.origin, locale=LOCALE, timezone_id=ZONE, java_script_enabled=False
    )
    new_context.set_default_timeout(PATIENCE_MS)
    watcher.watch(new_context)
    yield await new_context.new_page()
    await new_context.close()
    watcher.check()


@pytest_asyncio.fixture(loop_scope="session")
async def guest(site: Site) -> AsyncIterator[Guest]:
    """Open a guest who is not signed in."""
    async with calling(site.url) as guest:
        yield guest


@pytest.fixture
def hand(page: Page, record_property: Record) -> Hand:
    """Return a hand for tests that count what a task costs."""
    return Hand(page=page, record=record_property)
