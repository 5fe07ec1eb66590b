"""Writes the integrators' changelog as an Atom feed: one entry a day. In: `docs/changelog-integrators.md`. Out: the file
beside it that ends in `.atom`. `python tools/changelog_feed.py`; a test compares both."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "docs" / "changelog-integrators.md"
FEED = PAGE.with_suffix(".atom")
# A name that stands for no address, since every node and mirror may serve the page.
_ID = "tag:lien-thong,2026:integrators"


def feed(page: str) -> str:
    """Return the feed of the page."""
    title, *days = re.split(r"^## ", page, flags=re.MULTILINE)
    entries = [_entry(*day.split("\n", 1)) for day in days]
    name = title.partition("\n")[0].removeprefix("# ")
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom">\n'
        f"<id>{_ID}</id>\n<title>{escape(name)}</title>\n<updated>{days[0][:10]}T00:00:00+07:00</updated>\n"
        f"<author><name>Liên thông gateway</name></author>\n{''.join(entries)}</feed>\n"
    )


def _entry(day: str, text: str) -> str:
    moment = f"{day.strip()}T00:00:00+07:00"
    return (
        f"<entry>\n<id>{_ID}:{day.strip()}</id>\n<title>{day.strip()}</title>\n<updated>{moment}</updated>\n"
        f'<content type="text">{escape(text.strip())}</content>\n</entry>\n'
    )


if __name__ == "__main__":
    FEED.write_text(feed(PAGE.read_text("utf-8")), "utf-8")
