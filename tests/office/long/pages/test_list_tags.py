"""An agency's own labels and the filters by source and register, as people use them in the lists."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Page, expect

from gateway.domain.document import InState, Source
from gateway_office.accounts import tags_and_views
from gateway_office.domain.roles import PostRole
from tests.office.long.pages.test_lists import arrive, numbers
from tests.office.pages import axe
from tests.office.pages.site import Site
from tests.office.pages.visiting import Enter, scope_of
from tests.office.pages.watching import expect_answers

NAME = "Hồ sơ đê điều"


async def test_rows_are_labelled_found_by_the_label_and_lose_it(site: Site, page: Page, enter: Enter) -> None:
    first, _, last = await arrive(site, {"number": "51"}, {"number": "52"}, {"number": "53"})
    await enter(path="/van-ban-den")
    for document in (first, last):
        await page.locator(f'input[name="id"][value="{document.id}"]').check()
    await page.get_by_role("button", name="Gắn nhãn").click()

    await expect(page.locator("main")).to_contain_text("2 văn bản sẽ được gắn nhãn.")
    await expect(page.locator("main")).to_contain_text("cơ quan khác không nhìn thấy")
    expect_answers(page, {422})
    await page.get_by_role("button", name="Gắn nhãn").click()
    await expect(page.locator(".fault")).to_contain_text("Tên nhãn cần từ 1 đến 40 ký tự")
    await page.locator("#name").fill(NAME)
    await axe.check(page, "/danh-sach/van-ban-den (Gắn nhãn)")
    await page.keyboard.press("Control+Enter")
    await expect(page.locator("[data-told]")).to_contain_text("2 đã làm, 0 không làm.")

    await page.goto("/van-ban-den")
    await expect(page.locator("[data-row] .own-label")).to_have_text([NAME, NAME])
    await page.keyboard.press("f")
    await page.locator("#nhan").select_option(label=NAME)
    await expect(page.locator("[data-row]")).to_have_count(2)
    assert sorted(await numbers(page)) == ["51/SNN", "53/SNN"]
    await expect(page.locator(".filter-chips")).to_contain_text(f"Nhãn: {NAME}")
    await page.keyboard.press("Escape")
    await page.locator("[data-row] a[data-open]").first.click()
    await expect(page.locator(".own-labels .own-label")).to_have_text(NAME)
    await axe.check(page, "/van-ban-den/{id} (nhãn)")

    await page.locator(".own-labels").get_by_role("link", name="Bỏ nhãn").click()
    await page.get_by_role("button", name="Bỏ nhãn").click()
    await expect(page.locator("[data-told]")).to_contain_text("1 đã làm")
    await page.goto("/danh-sach/nhan")
    await axe.check(page, "/danh-sach/nhan")
    await page.get_by_role("link", name="Xóa nhãn").click()
    await expect(page.locator("main")).to_contain_text(f"Nhãn “{NAME}” sẽ bị xóa và bỏ khỏi 1 văn bản.")
    await page.get_by_role("button", name="Xóa nhãn").click()
    await expect(page.locator("main")).to_contain_text("Chưa có nhãn nào.")


async def test_a_list_with_labels_is_saved_by_one_look_at_the_database(
    site: Site, page: Page, monkeypatch: pytest.MonkeyPatch, enter: Enter
) -> None:
    """Looks have few places: who waited for a second one while he has one would keep all others waiting in the end."""
    (document,) = await arrive(site, {"number": "71"})
    await tags_and_views.put_tag(site.node.store, site.clock, await scope_of(site), NAME, document.id)
    await enter(path="/van-ban-den?tab=all")
    monkeypatch.setattr(site.node.store._views, "_room", asyncio.Semaphore(1))

    answer = await page.request.get("/danh-sach/van-ban-den/tep?dang=csv&tat-ca=1&ds=tab%3Dall%26cot%3Dnhan")

    assert answer.status == 200
    assert NAME in await answer.text()


async def test_an_auditor_sees_labels_an_operator_of_the_node_sees_metadata_alone(
    site: Site, page: Page, enter: Enter
) -> None:
    (document,) = await arrive(site, {"number": "61", "subject": "Nội dung riêng của đơn vị"})
    await tags_and_views.put_tag(site.node.store, site.clock, await scope_of(site), NAME, document.id)
    (tag,) = await tags_and_views.tags_of(site.node.store, await scope_of(site))

    await enter(PostRole.AUDITOR, at="department", path="/van-ban-den?tab=all")
    await expect(page.locator("[data-row] .own-label")).to_have_text(NAME)
    await expect(page.get_by_role("button", name="Gắn nhãn")).to_have_count(0)

    await enter(PostRole.OPERATOR, at="department")
    for path in (
        "/van-ban-den?tab=all",
        f"/van-ban-den?tab=all&nhan={tag.id}&cot=nhan",
        "/van-ban-den?tab=all&q=riêng",
        "/danh-sach/van-ban-den/in?ds=tab%3Dall",
        "/danh-sach/van-ban-den/tep?dang=csv&tat-ca=1&ds=tab%3Dall",
    ):
        answer = await page.request.get(path)
        text = await answer.text()
        assert answer.status == 200
        assert "61/SNN" in text, path
        assert all(words not in text for words in (NAME, "Nội dung riêng")), path


async def test_a_list_is_filtered_by_source_and_register(site: Site, page: Page, enter: Enter) -> None:
    await arrive(
        site,
        {"number": "71", "source": Source.PAPER},
        {"number": "72", "source": Source.AXIS},
        {"number": "73", "state": InState.ACCEPTED, "register_no": "5", "register_year": 2026},
    )
    await enter(path="/van-ban-den?tab=all&cot=so&cot=nguon&sap-xep=number")

    assert await page.locator("[data-row] td:nth-child(3)").all_inner_texts() == [
        "Văn bản giấy",
        "Trục liên thông",
        "Thư điện tử",
    ]
    await page.keyboard.press("f")
    await page.locator("#nguon").select_option(label="Văn bản giấy")
    await expect(page.locator("[data-row]")).to_have_count(1)
    assert await numbers(page) == ["71/SNN"]
    await page.locator("#nguon").select_option(label="Tất cả")
    await page.locator("#so").select_option(label="Sổ năm 2026")
    await expect(page.locator(".filter-chips")).to_contain_text("Sổ văn bản: Sổ năm 2026")
    assert await numbers(page) == ["73/SNN"]
    await page.goto("/van-ban-den?so=none")
    assert sorted(await numbers(page)) == ["71/SNN", "72/SNN"]
