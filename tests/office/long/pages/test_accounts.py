"""Persons manage passwords, devices and delegations in their own account; administrators manage the accounts and API
keys of their own agency, and of no other."""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import replace
from datetime import timedelta

import pyotp
import pypdfium2
import pytest
from playwright.async_api import BrowserContext, Page, expect

from gateway.domain.account import ApiCall, ClientCertificate, KeyAuth
from gateway.errors import Denied
from gateway_labs.demo import stage
from gateway_office.accounts import admin, posts, sessions
from gateway_office.accounts.acting import Administrator
from gateway_office.domain.roles import Manner, PostRole, Right
from tests.office.pages import axe
from tests.office.pages.guest import Answer, Guest, at_work
from tests.office.pages.site import Site
from tests.office.pages.watching import expect_answers
from tests.office.support.accounts import PASSWORD

NEW = "Mây trắng 9 tầng"


async def test_a_device_is_set_up_and_a_recovery_code_stands_in_for_it(
    site: Site, context: BrowserContext, page: Page
) -> None:
    person = site.person(PostRole.CLERK, "province")
    elsewhere = (await person.enters()).token
    await site.signed_in(context, person)
    await page.goto("/tai-khoan")
    await axe.check(page, "/tai-khoan")
    await page.get_by_role("link", name="Cài đặt mã xác thực").click()
    await axe.check(page, "/tai-khoan/ma-xac-thuc")
    assert await page.get_by_role("img", name="Mã QR").count() == 1
    secret = (await page.locator("#secret").inner_text()).replace(" ", "")
    await page.get_by_label("Mã 6 số đang hiện").fill(pyotp.TOTP(secret).at(site.clock.now()))
    await page.get_by_label("Mật khẩu hiện tại").fill(PASSWORD)
    await page.get_by_role("button", name="Hoàn tất cài đặt").click()
    codes = await page.locator("#codes code").all_inner_texts()

    assert len(set(codes)) == 10
    with pytest.raises(Denied):
        await sessions.check(site.node.accounts, elsewhere)
    await page.get_by_role("link", name="Tôi đã lưu các mã khôi phục").click()
    await page.get_by_text(person.person.name).first.click()
    await page.get_by_role("button", name="Đăng xuất", exact=True).click()
    await page.get_by_label("Tên đăng nhập").fill(person.login)
    await page.get_by_label("Mật khẩu", exact=True).fill(PASSWORD)
    await page.get_by_label("Mã xác thực").fill(codes[3])
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/tong-quan*")
    await page.goto("/tai-khoan")
    await expect(page.locator("main")).to_contain_text("Còn 9 mã khôi phục")
    await expect(page.locator(".fact-line", has_text="Phiên này")).to_contain_text("Chrome trên Linux")


async def test_a_password_that_must_be_changed_comes_before_everything(
    site: Site, context: BrowserContext, page: Page
) -> None:
    expect_answers(page, {422})
    person, root = site.person(PostRole.OFFICER, "province"), site.person(PostRole.OPERATOR)
    other = (await person.enters()).token
    token = await site.signed_in(context, person)
    await admin.must_change(site.node.accounts, root.by, person.login)

    await page.goto("/van-ban-den")
    assert page.url.endswith("/tai-khoan/mat-khau")
    for old, expected in (("Sai rồi 2026!", "Mật khẩu hiện tại không đúng"), (PASSWORD, "đã dùng trước đây")):
        await page.get_by_label("Mật khẩu hiện tại").fill(old)
        await page.get_by_label("Mật khẩu mới", exact=True).fill(PASSWORD if old == PASSWORD else NEW)
        await page.get_by_label("Nhập lại mật khẩu mới").fill(PASSWORD if old == PASSWORD else NEW)
        await page.get_by_role("button", name="Đổi mật khẩu").click()
        await expect(page.get_by_role("alert")).to_contain_text(expected)
    await page.get_by_label("Mật khẩu hiện tại").fill(PASSWORD)
    await page.get_by_label("Mật khẩu mới", exact=True).fill(NEW)
    await page.get_by_label("Nhập lại mật khẩu mới").fill(NEW)
    await page.get_by_role("button", name="Đổi mật khẩu").click()

    await expect(page.get_by_role("status").first).to_contain_text("Đã đổi mật khẩu")
    for ended_token in (token, other):
        with pytest.raises(Denied):
            await sessions.check(site.node.accounts, ended_token)


async def test_a_unit_heads_rights_are_lent_once_the_head_agrees(site: Site, guest: Guest) -> None:
    unit, head = site.person(PostRole.UNIT_HEAD, "province"), site.person(PostRole.HEAD, "province")
    clerk = site.person(PostRole.CLERK, "province")
    loan = {"to": clerk.login, "from": "hôm nay", "until": "30/12/2026", "reason": "Đi công tác dài ngày"}
    home = "/tai-khoan/uy-quyen"

    async def may() -> bool:
        acting = await sessions.check(site.node.accounts, (await clerk.enters()).token)
        return acting.may(Right.INSTRUCT, Manner.OWN)

    await at_work(site, guest, unit)
    unticked = await guest.post(f"{home}/moi", loan)
    not_own = await guest.post(f"{home}/moi", {**loan, "rights": "accounts"})
    created = await guest.post(f"{home}/moi", {**loan, "rights": "instruct"})
    (id,) = set(re.findall(rf"{home}/(dlg_\w+)/", (await guest.get(home)).text))
    own = await guest.post(f"{home}/{id}/phe-duyet", {})
    initially = await may()
    await at_work(site, guest, head)
    assert unit.person.name in (await guest.get(f"{home}/{id}/phe-duyet")).text
    agreed = await guest.post(f"{home}/{id}/phe-duyet", {})
    between = await may()
    await at_work(site, guest, site.person(PostRole.OFFICER, "province"))
    foreign = await guest.post(f"{home}/{id}/ket-thuc", {})
    await at_work(site, guest, clerk)
    ended = await guest.post(f"{home}/{id}/ket-thuc", {})

    assert [a.status for a in (unticked, not_own, own, foreign)] == [422, 422, 403, 404]
    assert [a.status for a in (created, agreed, ended)] == [303, 303, 303]
    assert [initially, between, await may()] == [False, True, False]


async def test_an_administrator_stays_in_the_own_agency(site: Site, guest: Guest) -> None:
    mine, other = site.person(PostRole.CLERK, "department"), site.person(PostRole.CLERK, "province")
    await at_work(site, guest, site.person(PostRole.AGENCY_ADMIN, "department"))
    listed, code = (await guest.get("/quan-tri")).text, stage.cast().code("province")
    assert (mine.login in listed, other.login in listed) == (True, False)
    pages = "hop-thu", "ra-soat", "ra-soat/danh-sach.xlsx", "khoa-api", "khoa-api/moi", "khoa-api/bat-dau"
    for path in ("", *(f"/{name}" for name in pages)):
        assert (await guest.get(f"/quan-tri{path}?co-quan={code}")).status == 404, path
    new = {"name": "Ai Đó", "login": "aido", "role": "clerk", "place": code}
    assert (await guest.post("/quan-tri/tai-khoan/moi", new)).status == 404
    node = await guest.post("/quan-tri/tai-khoan/moi", {**new, "role": "operator", "place": ""})
    assert node.status == 403


KEYS, KEY = "/quan-tri/khoa-api", {"name": "qlvb", "life": "90", "scopes": "agencies:read"}


async def key_of(guest: Guest) -> str:
    """Return the id of the only key."""
    (id,) = set(re.findall(rf"{KEYS}/(key_\w+)/", (await guest.get(KEYS)).text))
    return str(id)


def secret_in(answer: Answer) -> str:
    (secret,) = set(re.findall(r"gwk_[\w-]{43}", answer.text))
    return str(secret)


async def answers(guest: Guest, key: str, address: str = "") -> int:
    """Return the status of the API's answer to a call with that key from that address."""
    headers = {"Authorization": f"Bearer {key}"} | ({"X-Forwarded-For": address} if address else {})
    async with guest.http.get(f"{guest.url}/api/v1/me", headers=headers) as answer:
        return answer.status


async def test_a_key_is_bound_to_networks_and_changed_over_without_a_pause(site: Site, guest: Guest) -> None:
    """The key that takes its place is bound to the same ones."""
    await at_work(site, guest, site.person(PostRole.AGENCY_ADMIN, "department"))

    none = await guest.post(f"{KEYS}/moi", {"name": "qlvb", "life": "90"})
    more = await guest.post(f"{KEYS}/moi", {**KEY, "scopes": "agencies:write"})
    bad = await guest.post(f"{KEYS}/moi", {**KEY, "networks": "203.0.113.10\r\n\r\n203.0.113.7/24\r\n<b>"})
    many = await guest.post(f"{KEYS}/moi", {**KEY, "networks": "\n".join(f"10.0.0.{n}" for n in range(21))})
    new = await guest.post(f"{KEYS}/moi", {**KEY, "networks": " 203.0.113.10 \r\n\r\n2001:db8:12::/48\r\n"})
    first = secret_in(new)
    id = await key_of(guest)
    rotated = await guest.post(f"{KEYS}/{id}/thay-khoa", {})
    second = secret_in(rotated)

    assert [x.status for x in (none, more, bad, many, new, rotated)] == [422, 422, 422, 422, 200, 200]
    assert "dòng 3: “203.0.113.7/24”" in bad.text
    assert "dòng 4: “&lt;b&gt;”" in bad.text
    assert "dòng 1" not in bad.text
    assert "203.0.113.10\n\n203.0.113.7/24\n&lt;b&gt;</textarea>" in bad.text
    assert "nhiều nhất 20 địa chỉ" in many.text
    for key in (first, second):
        statuses = [
            await answers(guest, key, ip) for ip in ("203.0.113.10", "2001:db8:12::5", "203.0.113.11")
        ]
        assert statuses == [200, 200, 403]
    listed = (await guest.get(KEYS)).text
    for page in (rotated.text, (await guest.get(f"{KEYS}/{id}/nhat-ky")).text):
        assert ">203.0.113.10<" in page
        assert ">2001:db8:12::/48<" in page
    assert (first[:10] in listed, first in listed) == (True, False)
    assert (await guest.post(f"{KEYS}/{id}/thu-hoi", {})).status == 303
    assert [await answers(guest, key, "203.0.113.10") for key in (first, second)] == [401, 200]
    start = (await guest.get(f"{KEYS}/bat-dau")).text
    assert all(x in start for x in ("curl -sS", "import requests", "HttpClient", "CURLFile", "FormData"))
    assert "gwk_…" in start


async def test_the_certificate_of_a_key_is_shown_and_goes_with_the_key_that_takes_its_place(
    site: Site, guest: Guest
) -> None:
    await at_work(site, guest, site.person(PostRole.AGENCY_ADMIN, "department"))
    await guest.post(f"{KEYS}/moi", KEY)
    id = await key_of(guest)
    now, bind = site.clock.now(), site.node.store.accounts.bind_certificate
    certificate = ClientCertificate(
        sha256="1" * 64, name="máy <chủ> QLVB", begins_at=now, ends_at=now + timedelta(days=10)
    )

    await bind(id, KeyAuth.BOTH, certificate)
    key_page = (await guest.get(f"{KEYS}/{id}/nhat-ky")).text
    rotated = await guest.post(f"{KEYS}/{id}/thay-khoa", {})
    await bind(id, KeyAuth.CERTIFICATE, replace(certificate, ends_at=now + timedelta(days=40)))
    alone = (await guest.get(f"{KEYS}/{id}/nhat-ky")).text
    refused = await guest.post(f"{KEYS}/{id}/thay-khoa", {})

    assert '<span class="soon">máy &lt;chủ&gt; QLVB, đến ' in key_page
    assert "khóa bí mật và chứng thư" in key_page
    assert "máy &lt;chủ&gt; QLVB" in rotated.text
    ways = {k.id: (k.way, k.certificate) for k in await site.node.store.accounts.list_keys()}
    assert [w for other, w in ways.items() if other != id].count((KeyAuth.BOTH, certificate)) == 1
    assert "chỉ chứng thư" in alone
    assert f"{KEYS}/{id}/thay-khoa" not in alone
    assert refused.status == 409


async def test_a_keys_page_lists_all_its_calls_or_its_failures_alone(site: Site, guest: Guest) -> None:
    admin = site.person(PostRole.AGENCY_ADMIN, "department")
    await at_work(site, guest, admin)
    await guest.post(f"{KEYS}/moi", KEY)
    id = await key_of(guest)
    assert "Khóa này chưa gọi lần nào" in (await guest.get(f"{KEYS}/{id}/nhat-ky")).text

    now = site.clock.now()
    refused = ApiCall(
        id="cal_2",
        key_id=id,
        at=now,
        method="GET",
        route="/api/v1/inbox/{id}",
        status=403,
        took_ms=1204,
        problem="forbidden",
        address="192.0.2.7",
        request_id="req_second",
    )
    first = replace(refused, id="cal_1", status=200, problem="", route="/api/v1/me", request_id="req_first")
    await site.node.store.calls.keep([first, refused])
    page = (await guest.get(f"{KEYS}/{id}/nhat-ky")).text
    failed = (await guest.get(f"{KEYS}/{id}/nhat-ky?ket-qua=loi")).text
    routed = (await guest.get(f"{KEYS}/{id}/nhat-ky?dia-chi=/api/v1/me")).text

    assert all(word in page for word in ("req_first", "req_second", "192.0.2.7", "forbidden", "1.204 ms"))
    assert "1 lần gọi lỗi trong 1 giờ" in page
    assert "/api/v1/inbox/{id}" in page
    assert "Bearer gwk_…" in page
    assert ("req_first" in failed, "req_second" in failed) == (False, True)
    assert ("req_first" in routed, "req_second" in routed) == (True, False)
    assert "2 lần gọi, 1 lỗi" in (await guest.get(KEYS)).text
    await at_work(site, guest, site.person(PostRole.AGENCY_ADMIN, "province"))
    assert (await guest.get(f"{KEYS}/{id}/nhat-ky")).status == 404


async def test_of_a_person_with_posts_elsewhere_the_page_says_why_buttons_are_missing(
    site: Site, guest: Guest
) -> None:
    clerk = site.person(PostRole.CLERK, "department")
    root = Administrator.person(site.person(PostRole.OPERATOR).person.id)
    post = posts.WantedPost(role=PostRole.OFFICER, agency_id=await site.agency("province"))
    await posts.give(site.node.accounts, root, clerk.login, post)
    await at_work(site, guest, site.person(PostRole.AGENCY_ADMIN, "department"))
    path = f"/quan-tri/tai-khoan/{clerk.person.id}"

    page = (await guest.get(path)).text

    assert "Các việc này tác động đến cả tài khoản" in page
    assert f'href="{path}/' in page
    for act in ("khoa", "duong-dan", "thu-lai", "dang-xuat", "doi-mat-khau"):
        assert f'href="{path}/{act}"' not in page, act
        assert (await guest.get(f"{path}/{act}")).status == 403, act
        assert (await guest.post(f"{path}/{act}", {"reason": "không phải việc của tôi"})).status == 403, act
    agency_id = await site.agency("department")
    own = next(a.code for a in await site.node.store.hosted() if a.id == agency_id)
    assert (await guest.post(f"{path}/thoi-vai-tro", {"role": "clerk", "place": own})).status == 303


async def test_the_yearly_list_is_a_workbook_and_its_review_becomes_a_report(
    site: Site, guest: Guest
) -> None:
    await at_work(site, guest, site.person(PostRole.AGENCY_ADMIN, "department"))
    async with guest.http.get(
        f"{guest.url}/quan-tri/ra-soat/danh-sach.xlsx", headers={"Cookie": f"gw_session={guest.token}"}
    ) as answer:
        sheet = zipfile.ZipFile(io.BytesIO(await answer.read())).read("xl/worksheets/sheet1.xml").decode()
        headers = answer.headers

    assert headers["Content-Disposition"].startswith("attachment;")
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; sandbox")
    assert all(word in sheet for word in ("Hoàng Thị Thử", "Văn thư", "Họ tên", "Người rà soát"))
    assert "Trần Thị Văn Thư" not in sheet
    assert "Chưa rà soát lần nào" in (await guest.get("/quan-tri/ra-soat")).text
    filed = await guest.post("/quan-tri/ra-soat", {"place": "", "remarks": "Đường truyền chậm."})
    assert filed.status == 303
    assert "Lần rà soát gần nhất" in (await guest.get("/quan-tri/ra-soat")).text
    # The list and its figures are kept, and the form is printed from what was kept.
    path = filed.leads.partition("?")[0]
    report = (await guest.get(path)).text
    assert all(word in report for word in ("Hoàng Thị Thử", "Đường truyền chậm.", "SHA-256"))
    assert "Đường truyền chậm." in await printed(guest, path)
    created = await guest.post("/quan-tri/hop-thu", {"name": "vanthustn", "role": "clerk"})
    assert created.status == 303
    assert "Hoàng Thị Thử" in (await guest.get("/quan-tri/hop-thu")).text
    assert (await guest.post("/quan-tri/hop-thu", {"name": "vanthustn", "role": "clerk"})).status == 422
    assert (await guest.post("/quan-tri/hop-thu/vanthustn/dong", {})).status == 303


async def test_where_an_agency_wants_it_a_second_administrator_confirms_a_new_role(
    site: Site, guest: Guest
) -> None:
    clerk, admin_ = (
        site.person(PostRole.CLERK, "department"),
        site.person(PostRole.AGENCY_ADMIN, "department"),
    )
    path = f"/quan-tri/tai-khoan/{clerk.person.id}"
    await at_work(site, guest, admin_)
    assert (await guest.post("/quan-tri/co-quan/rights_confirmed", {"value": "on"})).status == 303
    answer = await guest.post(f"{path}/vai-tro", {"role": "viewer", "place": ""})
    own = (await guest.get(path)).text
    home = (await guest.get("/tong-quan")).text

    sentence = f"{admin_.person.name} đề nghị giao cho {clerk.person.name} vai trò"
    assert (answer.status, "told=admin.rights_asked" in answer.leads) == (303, True)
    assert all(sentence in text and "/xac-nhan" not in text for text in (own, home))
    await at_work(site, guest, site.person(PostRole.OPERATOR))
    page = (await guest.get(path)).text
    assert sentence in page
    (confirm,) = {*re.findall(r'"(/quan-tri/thay-doi/prp_\w+)/xac-nhan"', page)}
    digest = re.search(r'name="seen" value="(\w+)"', (await guest.get(f"{confirm}/xac-nhan")).text)
    assert digest is not None
    assert (await guest.post(f"{confirm}/tu-choi", {"reason": "no"})).status == 422
    stale = await guest.post(f"{confirm}/xac-nhan", {"seen": "another"})
    assert stale.status == 422
    assert (await guest.post(f"{confirm}/xac-nhan", {"seen": digest[1]})).status == 303
    page = (await guest.get(path)).text
    assert sentence not in page
    assert "Lãnh đạo (chỉ xem)" in page
    assert "Đề xuất đã được quyết định" in (await guest.get(f"{confirm}/xac-nhan")).text


async def printed(guest: Guest, path: str) -> str:
    """Return the text of a page's form as PDF."""
    url, session = f"{guest.url}{path}.pdf", {"Cookie": f"gw_session={guest.token}"}
    async with guest.http.get(url, headers=session) as answer:
        assert (answer.status, answer.content_type) == (200, "application/pdf")
        document = pypdfium2.PdfDocument(await answer.read())
    return " ".join(" ".join(sheet.get_textpage().get_text_range() for sheet in document).split())


async def test_an_agency_asks_for_accounts_and_the_operator_answers(
    site: Site, context: BrowserContext, page: Page, guest: Guest
) -> None:
    expect_answers(page, {422})
    await site.signed_in(context, site.person(PostRole.AGENCY_ADMIN, "department"))
    await page.goto("/quan-tri/de-nghi")
    await axe.check(page, "/quan-tri/de-nghi")
    await page.get_by_role("link", name="mẫu 01").click()
    await page.get_by_label("Họ và tên 1").fill("Đặng Thị Mẫu")
    await page.get_by_role("button", name="Gửi đề nghị").click()
    await expect(page.get_by_role("alert")).to_contain_text("Dòng 1: chưa ghi Loại tài khoản")
    await page.get_by_role("button", name="Thêm dòng").click()
    await page.get_by_label("Loại tài khoản (vai trò) 1").select_option("officer")
    await page.get_by_label("Họ và tên 2", exact=True).fill("Vũ Văn Thừa")
    await page.get_by_label("Loại tài khoản (vai trò) 2").select_option("clerk")
    await page.get_by_label("Số văn bản").fill("7/SMT-VP")
    await axe.check(page, "/quan-tri/de-nghi/moi/01")
    await page.get_by_role("button", name="Gửi đề nghị").click()
    await expect(page.get_by_text("Chờ trả lời")).to_be_visible()
    assert not await page.get_by_role("button", name="Trả lời và thực hiện").count()
    path = page.url.removeprefix(site.url).partition("?")[0]

    root = site.person(PostRole.OPERATOR)
    await at_work(site, guest, root)
    assert "Đặng Thị Mẫu" in await printed(guest, path)
    await site.signed_in(context, root)
    await page.goto("/quan-tri/de-nghi")
    await expect(page.get_by_role("row", name="7/SMT-VP")).to_contain_text("trả lời trước")
    await page.goto(path)
    await axe.check(page, path)
    await page.get_by_label("Kết quả 2").select_option("refused")
    await page.get_by_role("button", name="Trả lời và thực hiện").click()
    await expect(page.get_by_role("alert")).to_contain_text("người bị từ chối cần lý do")
    await page.get_by_label("Lý do từ chối 2").fill("Không có trong danh sách biên chế.")
    await page.get_by_role("button", name="Trả lời và thực hiện").click()
    await expect(page.get_by_text("/lien-ket/")).to_be_visible()
    await page.get_by_role("link", name="Đã").click()
    await expect(page.get_by_text("Thực hiện một phần")).to_be_visible()
    await expect(page.get_by_text("Không có trong danh sách biên chế.")).to_be_visible()


async def test_the_only_clerk_is_shown_before_the_account_ends(site: Site, guest: Guest) -> None:
    clerk = site.person(PostRole.CLERK, "department")
    await at_work(site, guest, site.person(PostRole.AGENCY_ADMIN, "department"))
    row = {"login": clerk.login, "decided_on": "hôm nay", "reason": "Nghỉ hưu", "note": ""}
    response = await guest.post("/quan-tri/de-nghi/moi/03", {"place": "", **row})
    assert response.status == 303, response.text
    path = response.leads.partition("?")[0]

    await at_work(site, guest, site.person(PostRole.OPERATOR))
    assert "Văn thư duy nhất của cơ quan" in (await guest.get(path)).text
    answer = {"decision": "done", "refusal": "", "words": "Đã thu hồi tài khoản."}
    refused = await guest.post(path, answer)
    assert (refused.status, "không còn văn thư" in refused.text) == (422, True)
    refusal = {"decision": "refused", "refusal": "", "words": "Cơ quan chưa có văn thư thay thế."}
    assert (await guest.post(path, refusal)).status == 303
    assert (await guest.post(path, refusal)).status == 422
    assert (await guest.get(path)).text.count("Cơ quan chưa có văn thư thay thế.") == 2
