"""The pages that need no session: status, documentation, problems, with their stylesheet and icon."""

from __future__ import annotations

import re

import pytest

from tests.office.support.api import PROVINCE, OfficeDoor


async def test_a_node_whose_database_is_gone_is_not_ready(door: OfficeDoor) -> None:
    await door.node.store.close()
    for file in door.node.settings.node.data_dir.glob("gateway.db*"):
        file.write_bytes(b"this is no database " * 1000)

    ready = await door.ask("GET", "/readyz", key=None)
    page = await door.ask("GET", "/trang-thai", key=None)

    assert ready.status == 503
    assert ready.headers["Content-Type"] == "application/problem+json; charset=utf-8"
    assert int(ready.headers["Retry-After"]) > 0
    assert (ready.json["code"], ready.json["checks"]["database"]) == ("GW-503-NOT-WELL", "down")
    assert page.status == 503
    assert "no database" not in ready.raw.decode() + page.raw.decode()


async def test_pages_load_nothing_but_their_stylesheet_in_either_language(door: OfficeDoor) -> None:
    """And can be walked by keyboard: a skip link first, its target there, every id once, every link with words."""
    for path in ("/trang-thai", "/docs", "/problems", "/problems/clash"):
        page = await door.ask("GET", path, key=None)
        text = page.raw.decode()
        english = (await door.ask("GET", f"{path}?lang=en", key=None)).raw.decode()
        ids = re.findall(r'\sid="([^"]+)"', text)

        assert page.status == 200
        assert "default-src 'none'; style-src 'self'" in page.headers["Content-Security-Policy"]
        assert not re.search(r"<script|<style|\sstyle=|\son[a-z]+=|=[\"']?(?:https?:)?//|url\(", text)
        assert re.findall(r'<link rel="stylesheet" href="([^"]+)">', text) == ["/static/gateway.css"]
        assert ('<html lang="vi">' in text, '<html lang="en">' in english) == (True, True)
        assert text.count("<h1>") == english.count("<h1>") == 1
        assert text.index('class="skip" href="#content"') < text.index("<header")
        assert "content" in ids
        assert len(ids) == len(set(ids))
        assert not re.search(r"<a [^>]*>\s*</a>", text)

    lost = await door.ask("GET", "/problems/none", key=None, headers={"Accept": "text/html"})
    assert (lost.status, lost.headers["Content-Type"].startswith("text/html")) == (404, True)
    assert lost.headers["X-Request-Id"] in lost.raw.decode()


async def test_the_stylesheet_and_the_icon_are_served_by_the_node(door: OfficeDoor) -> None:
    style = await door.ask("GET", "/static/gateway.css", key=None)
    icon = await door.ask("GET", "/favicon.ico", key=None)

    assert style.headers["Content-Type"] == "text/css; charset=utf-8"
    assert b"url(" not in style.raw
    assert b"@import" not in style.raw
    assert (icon.status, icon.headers["Content-Type"]) == (200, "image/svg+xml; charset=utf-8")


@pytest.mark.usefixtures("keys_away")
async def test_the_status_page_counts_what_waits(door: OfficeDoor) -> None:
    await door.send()

    text = (await door.ask("GET", "/trang-thai", key=None)).raw.decode()

    assert "Việc của hệ thống" in text
    assert PROVINCE not in text


async def test_every_plain_page_says_how_little_a_browser_may_do_with_it(door: OfficeDoor) -> None:
    for path in ("/trang-thai", "/static/gateway.css"):
        answer = await door.ask("GET", path, key=None)
        head = {name.lower(): value for name, value in answer.headers.items()}
        assert head["x-content-type-options"] == "nosniff"
        assert head["referrer-policy"] == "no-referrer"
        assert head["content-security-policy"].startswith("default-src 'none'")
        assert head["cache-control"]
        assert head["server"] == "gateway"
        assert not [name for name in head if name.startswith("access-control-")]
