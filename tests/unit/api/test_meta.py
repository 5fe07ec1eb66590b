"""What a program asks about the node itself, and the pages for people."""

from __future__ import annotations

import re

import pytest

from gateway.api import problems
from gateway.domain.status import CODES, STATES
from gateway.errors import StoreFailure
from tests.support.api import DEPARTMENT, PROVINCE, Door


async def test_me_tells_the_key_its_scopes_and_agencies(door: Door) -> None:
    told = (await door.ask("GET", "/me")).json

    assert told["agency"] == DEPARTMENT
    assert [agency["code"] for agency in told["agencies"]] == [DEPARTMENT]
    assert "messages:send" in told["scopes"]


async def test_limits_are_those_of_the_rules(door: Door) -> None:
    told = (await door.ask("GET", "/limits")).json

    assert told["max_file_bytes"] == door.node.out.profile.max_file_bytes
    assert told["lead_types"] == ["pdf"]


async def test_codes_name_every_state_and_status_in_both_languages(door: Door) -> None:
    told = (await door.ask("GET", "/codes")).json

    assert {row["key"] for row in told["states"]} == set(STATES)
    assert {row["code"] for row in told["statuses"]} == set(CODES)
    assert all(row["vi"] and row["en"] for rows in told.values() for row in rows)


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
async def test_health_needs_no_key(door: Door, path: str) -> None:
    assert (await door.ask("GET", path, key=None)).status == 200


async def test_a_node_whose_database_is_gone_is_not_ready(door: Door) -> None:
    async def failing() -> dict[str, int]:
        raise StoreFailure("the disk is gone")

    door.node.store.counts = failing  # type: ignore[method-assign]  # a disk cannot be pulled out in a test

    ready = await door.ask("GET", "/health/ready", key=None)
    page = await door.ask("GET", "/", key=None)

    assert ready.status == 503
    assert page.status == 503
    assert "disk" not in ready.raw.decode() + page.raw.decode()


PAGES = ["/", "/docs", "/problems", "/problems/clash"]


@pytest.mark.parametrize("path", PAGES)
async def test_pages_load_nothing_but_their_stylesheet(door: Door, path: str) -> None:
    page = await door.ask("GET", path, key=None)
    text = page.raw.decode()

    assert page.status == 200
    assert "default-src 'none'; style-src 'self'" in page.headers["Content-Security-Policy"]
    assert not re.search(r"<script|<style|\sstyle=|\son[a-z]+=|https?://", text)
    assert re.findall(r'<link rel="stylesheet" href="([^"]+)">', text) == ["/static/gateway.css"]


@pytest.mark.parametrize("path", PAGES)
async def test_pages_speak_vietnamese_first_and_english_when_asked(door: Door, path: str) -> None:
    first = (await door.ask("GET", path, key=None)).raw.decode()
    second = (await door.ask("GET", f"{path}?lang=en", key=None)).raw.decode()

    assert '<html lang="vi">' in first
    assert '<html lang="en">' in second
    assert first.count("<h1>") == second.count("<h1>") == 1


@pytest.mark.parametrize("path", PAGES)
async def test_pages_can_be_walked_by_keyboard(door: Door, path: str) -> None:
    """A skip link first, its target there, every id once, every link with words."""
    text = (await door.ask("GET", path, key=None)).raw.decode()
    ids = re.findall(r'\sid="([^"]+)"', text)

    assert text.index('class="skip" href="#content"') < text.index("<header")
    assert "content" in ids
    assert len(ids) == len(set(ids))
    assert not re.search(r"<a [^>]*>\s*</a>", text)


async def test_the_stylesheet_is_served_by_the_node(door: Door) -> None:
    style = await door.ask("GET", "/static/gateway.css", key=None)

    assert style.headers["Content-Type"] == "text/css; charset=utf-8"
    assert b"url(" not in style.raw
    assert b"@import" not in style.raw


async def test_the_status_page_counts_what_waits(door: Door) -> None:
    await door.send()

    text = (await door.ask("GET", "/", key=None)).raw.decode()

    assert "Việc của nút" in text
    assert PROVINCE not in text


async def test_the_documentation_shows_every_call(door: Door) -> None:
    text = (await door.ask("GET", "/docs", key=None)).raw.decode()
    described = (await door.ask("GET", "/openapi.json", key=None)).json

    for path, verbs in described["paths"].items():
        for verb, operation in verbs.items():
            assert f'id="{operation["operationId"]}"' in text, f"{verb} {path}"


@pytest.mark.parametrize("slug", sorted(problems.sorts()))
async def test_every_kind_of_problem_has_its_page_in_both_languages(door: Door, slug: str) -> None:
    vi = await door.ask("GET", f"/problems/{slug}", key=None)
    en = await door.ask("GET", f"/problems/{slug}?lang=en", key=None)

    assert vi.status == en.status == 200
    assert vi.raw != en.raw


async def test_a_browser_that_is_lost_gets_a_page(door: Door) -> None:
    page = await door.ask("GET", "/problems/none", key=None, headers={"Accept": "text/html"})

    assert page.status == 404
    assert page.headers["Content-Type"].startswith("text/html")
    assert page.headers["X-Request-Id"] in page.raw.decode()
