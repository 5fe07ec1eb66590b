"""Signing in, in a browser and as attackers try it: guessing, telling names apart, planted sessions, forged forms, frames,
addresses that lead away."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from playwright.async_api import BrowserContext, Page, expect

from gateway.domain.person import AccountStanding
from gateway.errors import Denied
from gateway_office.accounts import admin, sessions
from gateway_office.accounts.acting import Administrator
from gateway_office.domain.roles import PostRole
from gateway_office.web.page_handling import COOKIE
from tests.office.pages import axe
from tests.office.pages.guest import Answer, Guest
from tests.office.pages.site import Site
from tests.office.pages.visiting import opened
from tests.office.pages.watching import expect_answers
from tests.office.support.accounts import PASSWORD, Someone

DOOR = "/dang-nhap"
AWAY = (
    *("https://example.invalid/", "//example.invalid/", "/\\example.invalid", "\\\\example.invalid"),
    *("/\t/example.invalid", "javascript:alert(1)", "https:example.invalid", "/\r\nSet-Cookie: a=b"),
)


def clerk(site: Site) -> Someone:
    return site.person(PostRole.CLERK, "province")


async def tries(guest: Guest, login: str, password: str, **more: str) -> Answer:
    return await guest.post(DOOR, {"login": login, "password": password, **more})


def read_page(answer: Answer, login: str) -> tuple[int, str]:
    """Return what a person reads, without the typed name and the parts that differ each time."""
    text = re.sub(r'nonce(-|=")[\w-]+', "", answer.text)
    return answer.status, text.replace(login, "NAME")


async def test_a_clerk_signs_in_works_and_signs_out(site: Site, context: BrowserContext, page: Page) -> None:
    expect_answers(page, {422})
    person = clerk(site)
    await page.goto("/van-ban-di?tab=gui-loi")
    await axe.check(page, DOOR)
    await page.get_by_label("Tên đăng nhập").fill(person.login)
    await page.get_by_label("Mật khẩu", exact=True).fill("Sai rồi 2026!")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text("không đúng")
    assert await page.get_by_label("Tên đăng nhập").input_value() == person.login
    assert await page.get_by_label("Mật khẩu", exact=True).input_value() == ""
    await page.get_by_label("Mật khẩu", exact=True).fill(PASSWORD)
    password = page.locator("#password")
    await page.get_by_label("Hiện mật khẩu").check()
    await expect(password).to_have_attribute("type", "text")
    await page.get_by_label("Hiện mật khẩu").uncheck()
    await expect(password).to_have_attribute("type", "password")
    await expect(password).to_have_attribute("autocomplete", "current-password")
    await password.press("Enter")

    await page.wait_for_url("**/van-ban-di?tab=gui-loi*")
    (cookie,) = [c for c in await context.cookies() if c["name"] == COOKIE]
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["expires"]) == (True, "Lax", -1)
    await page.get_by_text(person.person.name).first.click()
    await page.get_by_role("button", name="Đăng xuất", exact=True).click()
    await expect(page.get_by_role("status").first).to_contain_text("Đã đăng xuất")
    with pytest.raises(Denied):
        await sessions.check(site.node.accounts, cookie["value"])


async def test_whoever_fails_reads_the_same_whatever_was_wrong(site: Site, guest: Guest) -> None:
    person, with_device = clerk(site), site.person(PostRole.OPERATOR)
    locked = site.person(PostRole.HEAD, "province")
    by = Administrator.person(with_device.person.id)
    await admin.stand(site.node.accounts, by, locked.login, AccountStanding.LOCKED, "for this test alone")

    answers = [
        read_page(await tries(guest, "khongcoai", PASSWORD), "khongcoai"),
        read_page(await tries(guest, person.login, "Sai rồi 2026!"), person.login),
        read_page(await tries(guest, with_device.login, PASSWORD), with_device.login),
        read_page(await tries(guest, with_device.login, PASSWORD, code="000000"), with_device.login),
        read_page(await tries(guest, locked.login, "Sai rồi 2026!"), locked.login),
    ]

    assert {status for status, _ in answers} == {422}
    assert len({text for _, text in answers}) == 1
    # Only a caller with the right password learns that the account is locked.
    assert "bị khóa" in (await tries(guest, locked.login, PASSWORD)).text


async def test_guessing_has_to_wait_whether_or_not_the_name_exists(site: Site, guest: Guest) -> None:
    person, most = clerk(site), site.node.settings.accounts.lock_after
    answers = {}
    for login in (person.login, "khongcoai"):
        statuses = [(await tries(guest, login, f"Sai rồi {n}!")).status for n in range(most)]
        last_answer = await tries(guest, login, PASSWORD)
        answers[login] = (
            [*statuses, last_answer.status],
            read_page(last_answer, login)[1],
            last_answer.token,
        )

    assert answers[person.login] == answers["khongcoai"]
    assert answers[person.login][0] == [422] * most + [429]
    assert "phút" in answers[person.login][1]


async def test_a_session_that_was_planted_is_worth_nothing_afterwards(site: Site, guest: Guest) -> None:
    services, other = site.node.accounts, site.person(PostRole.CLERK, "department")
    planted = (await other.enters()).token
    guest.token = planted

    entered = await guest.post(DOOR, {"login": clerk(site).login, "password": PASSWORD})

    assert entered.status == 303
    assert entered.token not in (None, "", planted)
    assert (await sessions.check(services, entered.token or "")).person.id == clerk(site).person.id
    with pytest.raises(Denied):
        await sessions.check(services, planted)
    guest.token = "x" * 43
    assert (await guest.get("/tai-khoan")).leads.startswith(DOOR)


async def test_no_address_leads_away(site: Site, guest: Guest) -> None:
    for address in AWAY:
        guest.token = ""
        entered = await tries(guest, clerk(site).login, PASSWORD, next=address)
        guest.token = entered.token or ""
        page = await guest.get(f"{DOOR}?next={quote(address, safe='')}")

        for answer in (entered, page):
            assert answer.status == 303
            assert answer.leads.startswith("/"), address
            assert not answer.leads.startswith(("//", "/\\")), address
            assert "example.invalid" not in answer.leads
            assert "a=b" not in str(answer.headers)


async def test_a_form_of_another_site_does_nothing(site: Site, guest: Guest) -> None:
    person, services = clerk(site), site.node.accounts
    form = {"login": person.login, "password": PASSWORD}
    for headers in (
        {"Origin": "https://example.invalid"},
        {"Origin": "null", "Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "cross-site"},
        {"No_Origin": "1"},
    ):
        assert ((forged := await guest.post(DOOR, form, **headers)).status, forged.token) == (403, None)
    guest.token = (await person.enters()).token

    for path in ("/dang-xuat", "/tai-khoan/dang-xuat-moi-noi", "/tai-khoan/khoa", "/tai-khoan/mat-khau"):
        assert (await guest.post(path, {"form_token": ""})).status == 403
        assert (await guest.post(path, {}, Origin="https://example.invalid")).status == 403

    assert (await sessions.check(services, guest.token)).person.is_active


async def test_no_page_is_framed_kept_or_sent_along(site: Site, guest: Guest) -> None:
    for path in (DOOR, f"/lien-ket/{'A' * 23}"):
        headers = (await guest.get(path)).headers
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert "form-action 'self'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["Cache-Control"] == "no-store"
        assert headers["Referrer-Policy"] == "same-origin"


async def test_a_one_time_link_gives_a_person_a_password_once(site: Site, page: Page) -> None:
    expect_answers(page, {403, 422})
    services, root = site.node.accounts, site.person(PostRole.OPERATOR)
    person = clerk(site)
    old = (await person.enters()).token
    _, code = await admin.link(services, root.by, person.login)

    await page.goto(f"/lien-ket/{code}")
    await axe.check(page, "/lien-ket")
    await expect(page.get_by_role("heading", level=1)).to_contain_text(person.person.name)
    await page.get_by_label("Mật khẩu mới", exact=True).fill("ngắn")
    await page.get_by_label("Nhập lại mật khẩu mới").fill("ngắn")
    await page.keyboard.press("Enter")
    alert = page.get_by_role("alert")
    await expect(alert).to_contain_text("cần ít nhất 8 ký tự")
    await expect(alert).to_contain_text("chữ hoa")
    await page.get_by_label("Mật khẩu mới", exact=True).fill("Mây trắng 9 tầng")
    await page.get_by_label("Nhập lại mật khẩu mới").fill("Mây trắng 9 tầng")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/tong-quan*")

    with pytest.raises(Denied):
        await sessions.check(services, old)
    await opened(page, f"/lien-ket/{code}", 403)
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Đường dẫn đã được dùng")
