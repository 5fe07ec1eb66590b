"""Pictures of pages by name, into the folder that LIENTHONG_PICTURES names; without it none are made. Each page in both
languages, light and dark, wide and narrow."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from playwright.async_api import Page, ViewportSize

from gateway_office.web.page_handling import LANG_COOKIE

FOLDER = "LIENTHONG_PICTURES"
# Of these looks alone, with commas between them, such as vi-light-wide; without it of all.
ONLY = "LIENTHONG_PICTURE_LOOKS"
SIZES: dict[str, ViewportSize] = {
    "wide": {"width": 1366, "height": 768},
    "narrow": {"width": 360, "height": 740},
    "phone": {"width": 390, "height": 844},
}
_IN_ALL_LOOKS = ("wide", "narrow")


@dataclass(frozen=True, kw_only=True)
class Look:
    """One way to see a page."""

    lang: str = "vi"
    scheme: Literal["light", "dark"] = "light"
    size: str = "wide"

    def __str__(self) -> str:
        return f"{self.lang}-{self.scheme}-{self.size}"


_SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
LOOKS = tuple(
    Look(lang=lang, scheme=scheme, size=size)
    for lang, scheme, size in product(("vi", "en"), _SCHEMES, _IN_ALL_LOOKS)
)


# What is looked at one by one: every page wide and as a phone shows it, and ten in dark.
TO_LOOK_AT = (Look(), Look(size="phone"))
DARK = Look(scheme="dark")
IN_DARK = frozenset(
    {
        *("sign_in", "dashboard", "incoming", "incoming_one", "incoming_take_form"),
        *("outgoing", "out_document", "compose", "tasks", "operations"),
    }
)


def to_look_at(name: str) -> tuple[Look, ...]:
    """Return the looks of a page; where the environment names some, return all for it to choose from."""
    if os.environ.get(ONLY):
        return (*LOOKS, TO_LOOK_AT[1])
    return (*TO_LOOK_AT, DARK) if name in IN_DARK else TO_LOOK_AT


def folder() -> Path | None:
    text = os.environ.get(FOLDER)
    return Path(text) if text else None


async def show(page: Page, look: Look) -> None:
    """Load the open page anew in that look. The input in its forms is lost; it is for pages that were opened by address."""
    parts = urlsplit(page.url)
    cookie = {"name": LANG_COOKIE, "value": look.lang, "url": f"{parts.scheme}://{parts.netloc}"}
    await page.context.add_cookies([cookie])  # type: ignore[list-item]  # a plain dict has these three fields
    await page.set_viewport_size(SIZES[look.size])
    await page.emulate_media(color_scheme=look.scheme)
    await page.reload()


async def take(page: Page, name: str, looks: Sequence[Look] = LOOKS) -> list[Path]:
    """Take `NAME-vi-light-wide.png` and so on, the whole page each; leave the page in the look that it had at first."""
    target = folder()
    if target is None:
        return []
    target.mkdir(parents=True, exist_ok=True)
    pictures = []
    only = [part for part in os.environ.get(ONLY, "").split(",") if part]
    for look in looks:
        if only and str(look) not in only:
            continue
        await show(page, look)
        pictures.append(target / f"{name}-{look}.png")
        await page.screenshot(path=pictures[-1], full_page=True, animations="disabled", caret="hide")
    await show(page, Look())
    return pictures
