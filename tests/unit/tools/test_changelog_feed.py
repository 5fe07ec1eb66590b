"""The feed of changes says what the page says."""

from __future__ import annotations

import runpy
from pathlib import Path

from lxml import etree

ATOM = "{http://www.w3.org/2005/Atom}"


def test_the_feed_has_each_day_of_the_page_with_its_text() -> None:
    tool = runpy.run_path(str(Path(__file__).parents[3] / "tools" / "changelog_feed.py"))
    page = tool["PAGE"].read_text("utf-8")
    feed = tool["feed"](page)

    assert tool["FEED"].read_text("utf-8") == feed, "run python tools/changelog_feed.py"
    entries = etree.fromstring(feed.encode()).findall(f"{ATOM}entry")
    days = [line[3:] for line in page.splitlines() if line.startswith("## ")]
    assert [entry.findtext(f"{ATOM}title") for entry in entries] == days == sorted(days, reverse=True)
    contents = dict(zip(days, (entry.findtext(f"{ATOM}content") or "" for entry in entries), strict=True))
    assert "GET /quarantine" in contents["2026-11-29"]
