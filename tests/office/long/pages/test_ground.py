"""Pictures of pages: each look is shown, and files are made where they are wanted."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Page

from tests.office.pages import pictures

STATUS, HELP = "/trang-thai", "/tro-giup"


async def test_a_page_is_seen_in_every_look(page: Page) -> None:
    await page.goto(STATUS)

    for look in pictures.LOOKS:
        await pictures.show(page, look)

        wide = await page.evaluate("innerWidth")
        dark = await page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
        assert (wide, dark) == (pictures.SIZES[look.size]["width"], look.scheme == "dark"), look


async def test_pictures_are_made_where_their_folder_is_set(
    page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await page.goto(STATUS)
    monkeypatch.delenv(pictures.FOLDER, raising=False)
    assert await pictures.take(page, "one") == []

    monkeypatch.setenv(pictures.FOLDER, str(tmp_path / "pictures"))
    files = await pictures.take(page, "one", pictures.LOOKS[:2])

    assert [path.name for path in files] == ["one-vi-light-wide.png", "one-vi-light-narrow.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in files)
