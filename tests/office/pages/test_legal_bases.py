"""Help names the basis of each rule that it states."""

from __future__ import annotations

from playwright.async_api import Page, expect

from gateway_office.domain.roles import PostRole
from tests.office.pages import axe
from tests.office.pages.visiting import Enter


async def test_help_names_the_basis_of_what_it_says(page: Page, enter: Enter) -> None:
    await enter(PostRole.CLERK, path="/tro-giup")
    await expect(page.locator("section", has_text="Phát hành: trong ngày ký").last).to_contain_text(
        "Căn cứ: khoản 2 Điều 6 QĐ 28/2018/QĐ-TTg; khoản 1 Điều 18 NĐ 30/2020/NĐ-CP"
    )
    await axe.check(page, "help with bases")
