"""Seals and signatures are registered on the pages by two persons, from a specimen; a document tells whose seal it has."""

from __future__ import annotations

import re
from datetime import timedelta

from playwright.async_api import BrowserContext, Page

from gateway.deciding import people, proposals
from gateway.domain.document import FileRole
from gateway.domain.event import EventKind
from gateway.domain.person import ProposalContent, SignedIn
from gateway.domain.seals import CertificateKind, SealWord
from gateway.outgoing import accept, intake
from gateway.outgoing.intake import Order
from gateway_labs.demo.acts import in_one
from gateway_office.accounts import posts
from gateway_office.domain.roles import PostRole
from tests.office.pages import axe, deciders
from tests.office.pages.deciders import GO
from tests.office.pages.guest import at_work, calling, calling_as
from tests.office.pages.mail import Mail
from tests.office.pages.site import Site
from tests.office.pages.visiting import Enter
from tests.office.pages.watching import expect_answers
from tests.office.support.accounts import MACHINE, Someone, post
from tests.support import pdfs
from tests.support.node import DEPARTMENT, PROVINCE
from tests.support.packets import PDF, draft
from tests.support.pdf_pki import agency
from tests.support.seals import register, seal_of

SEALS = "/co-quan/de-nghi/mau-dau"
SPECIMEN = pdfs.by_both()


async def test_a_seal_is_registered_from_a_specimen_by_two_persons(
    site: Site, context: BrowserContext, page: Page
) -> None:
    both = await deciders.two(site.node, site.url, site.clock.skip, site.person(PostRole.OPERATOR).by)
    await both[0].comes_in(context)
    await page.goto(f"/co-quan/{DEPARTMENT}?muc=chung-thu-so")
    assert "Chưa đăng ký mẫu dấu" in await page.inner_text("main")
    await page.goto(f"{SEALS}?ma={DEPARTMENT}")
    await axe.check(page, "specimen")
    specimen = {"name": "mau-dau.pdf", "mimeType": "application/pdf", "buffer": SPECIMEN}
    await page.set_input_files("#file", specimen)  # type: ignore[arg-type]  # one file
    await page.click(GO)
    await axe.check(page, "specimen looked at")
    assert await page.locator("input[name=chosen]").count() == 2, "the person's and the seal's"
    # Kind and name follow the certificate that is chosen.
    await page.get_by_label("Mẫu dấu: Sở Mẫu").check()
    await both[0].decides(page, "reforms.proposed")
    proposal = page.url.split("?")[0]

    await both[1].comes_in(context)
    await page.goto(f"{proposal}/phe-duyet")
    await axe.check(page, "approve a seal")
    (change,) = await _proposed(site, proposal.rpartition("/")[2])
    assert change not in await page.content(), "the end comes from the agency"
    await page.fill("#typed_1", change[-16:])
    await both[1].decides(page, "reforms.approved")

    (registered,) = (await site.node.directory.seal_register(DEPARTMENT, ())).certificates
    assert (registered.kind, registered.fingerprint) == (CertificateKind.SEAL, change)
    await page.goto(f"/co-quan/{DEPARTMENT}?muc=chung-thu-so")
    await axe.check(page, "registered seals")
    assert "Đang dùng" in await page.inner_text("main")


async def _proposed(site: Site, id: str) -> tuple[str, ...]:
    async with site.node.deciding.decisions.read() as view:
        return (await view.proposals.get(id)).content.fingerprints


async def test_an_agency_proposes_certificates_and_seals_of_its_own_code_alone(
    site: Site, page: Page, enter: Enter
) -> None:
    """A person is registered with a position; what is missing is said beside the field."""
    await deciders.entrust(site.node, site.person(PostRole.AGENCY_ADMIN, "department"))
    await enter(PostRole.AGENCY_ADMIN)
    expect_answers(page, {404, 422})
    site.clock.skip(timedelta(seconds=31))
    for path, content, statuses in (
        ("/co-quan/de-nghi/chung-thu-so", b"no certificate", (404, 422)),
        (SEALS, agency().pem, (404, 200)),
    ):
        for code, status in zip((PROVINCE, DEPARTMENT), statuses, strict=True):
            await page.goto(f"{path}?ma={code}")
            await page.set_input_files(
                "#file", {"name": "a.pem", "mimeType": "text/plain", "buffer": content}
            )
            assert await status_of_form(page) == status, (path, code)
    await page.select_option("#kind", "person")
    await page.fill("#name", "Nguyễn Văn Mẫu")
    await page.fill("#password", "not asked before the rest fits")
    await page.fill("#code", "123456")

    assert await status_of_form(page) == 422
    assert "họ tên và chức vụ" in await page.inner_text("#position-fault")


async def status_of_form(page: Page) -> int:
    """Send the open form; return the status of the answer."""
    async with page.expect_response(lambda answer: answer.request.method == "POST") as answered:
        await page.click(GO)
    return (await answered.value).status


async def test_two_persons_let_an_agency_seal_for_another_and_one_ends_it_and_a_seal(
    site: Site, context: BrowserContext, page: Page
) -> None:
    both = await deciders.two(site.node, site.url, site.clock.skip, site.person(PostRole.OPERATOR).by)
    expect_answers(page, {422})
    await register(site.node.deciding, seal_of(DEPARTMENT, agency()))
    await both[0].comes_in(context)
    await page.goto(f"/co-quan/{DEPARTMENT}?muc=chung-thu-so")
    await page.click("a[href*='/dong-dau-thay?']")
    await axe.check(page, "propose a right to seal")
    for field, text in (("acting", DEPARTMENT), ("act_number", "12/QĐ-UBND"), ("act_date", "02/01/2026")):
        await page.fill(f"#{field}", text)
    await page.fill("#since", "05/01/2026")
    await both[0].signs(page)
    await page.click(GO)
    assert await page.locator("#acting[aria-invalid=true]").count() == 1, "its own seal needs no right"
    await page.fill("#acting", PROVINCE)
    await both[0].decides(page, "reforms.proposed")
    proposal = page.url.split("?")[0]

    await both[1].comes_in(context)
    await page.goto(f"{proposal}/phe-duyet")
    await page.fill("#typed_1", "12/QĐ-UBND")
    await both[1].decides(page, "reforms.approved")
    (right,) = (await site.node.directory.seal_register(DEPARTMENT, ())).rights
    assert (right.acting_code, right.act_number, right.valid_to) == (PROVINCE, "12/QĐ-UBND", None)
    for name in ("end a seal", "end a right"):
        await page.goto(f"/co-quan/{DEPARTMENT}?muc=chung-thu-so")
        await page.locator("a[href*='/mau-dau/thoi?']").first.click()
        await axe.check(page, name)
        await page.fill("#reason", "The token was lost")
        await both[1].decides(page, "seals.withdrawn")
    text = await page.inner_text("main")
    assert text.count("Đã thôi dùng") == 2
    assert await page.locator("a[href*='/mau-dau/thoi?']").count() == 0


async def test_what_is_not_registered_stands_folded_at_the_senders_line_and_in_full_at_its_agency(
    site: Site, mail: Mail
) -> None:
    """The rail of a letter does not warn of it: it is the same for every letter of the sender."""
    id = await _introduces(site, mail, "70")

    async def is_judged() -> bool:
        return (await mail.load(id)).checks.get("seal") == SealWord.UNREGISTERED

    await mail.wait_until(is_judged)
    async with calling_as(site) as guest:
        rail = (await guest.get(f"/van-ban-den/{id}")).text
        agency_page = (await guest.get(f"/co-quan/{PROVINCE}?muc=chung-thu-so")).text

    (note,) = re.findall(r'<details class="sender-note".*?</details>', rail, re.S)
    assert "Chưa đăng ký mẫu dấu của cơ quan gửi" in note
    assert f'href="/co-quan/{PROVINCE}?muc=chung-thu-so"' in note
    checked = re.findall(r'<details class="dropdown verdict-line.*?</details>', rail, re.S)[0]
    assert "Chưa đăng ký mẫu dấu" not in checked
    assert "Chưa đăng ký mẫu dấu" in agency_page


INTRODUCED, TO_PROPOSE = "/co-quan/de-nghi/gioi-thieu", "Con dấu, chữ ký chờ đề nghị đăng ký"
_KIND = "Giới thiệu con dấu, chữ ký, trụ sở"


async def test_a_letter_that_introduces_a_seal_is_a_duty_until_it_is_proposed_or_put_aside(
    site: Site, mail: Mail
) -> None:
    """R23 (certificates): a duty of those who may register seals. The form that it opens has its sender and file."""
    first, _ = await deciders.two(site.node, site.url, site.clock.skip, site.person(PostRole.OPERATOR).by)
    letters = [await _introduces(site, mail, "71"), await _introduces(site, mail, "72", PDF)]
    form_path = f"/co-quan/de-nghi/mau-dau?ma={PROVINCE}&van-ban={letters[0]}"
    async with calling(site.url) as guest:
        await at_work(site, guest, first.person, "department")
        home, listed = (await guest.get("/tong-quan")).text, (await guest.get(INTRODUCED)).text
        without_content = (await guest.get(form_path)).text
        assert _duty(home) == 2
        assert listed.count("data-row") == 2
        assert form_path.replace("&", "&amp;") in listed
        assert "Về việc báo cáo dự toán" not in listed
        assert (PROVINCE in without_content, 'name="offered"' in without_content) == (True, False)

        # A clerk besides reads the letter, and finds its certificates in the form; that is a reading.
        async with site.node.accounts.changing(MACHINE.principal_id) as (work, now):
            clerk = post(PostRole.CLERK, await site.agency("department"))
            await posts.give_post(work, MACHINE, first.person.person, clerk, now)
        await at_work(site, guest, first.person, "department")
        assert form_path.replace("&", "&amp;") in (await guest.get(f"/van-ban-den/{letters[0]}")).text
        readings = len(await mail.events(letters[0], EventKind.DOCUMENT_READ))
        form = (await guest.get(form_path)).text
        assert form.count('name="offered"') == 2
        assert len(await mail.events(letters[0], EventKind.DOCUMENT_READ)) == readings + 1

        dismissal_path = f"{INTRODUCED}/{letters[1]}/bo-qua"
        assert (await guest.post(dismissal_path, {"reason": "Thôi"})).status == 422
        assert (await guest.post(dismissal_path, {"reason": "Mẫu dấu cũ, nơi gửi đã báo thay"})).status == 303
        assert (await guest.post(dismissal_path, {"reason": "Bấm lại một lần nữa"})).status == 404
        assert _duty((await guest.get("/tong-quan")).text) == 1

        content = ProposalContent(seals=(seal_of(PROVINCE, agency()),))
        await proposals.propose(site.node.deciding, await _proof(site, first.person), content, "Theo văn bản")
        assert _duty((await guest.get("/tong-quan")).text) == 0
        assert letters[0] not in (await guest.get(INTRODUCED)).text


async def test_whoever_may_not_register_a_senders_seal_is_led_to_no_form(site: Site, mail: Mail) -> None:
    """An administrator proposes certificates of the own agency alone, also with the role of deciders."""
    letter = await _introduces(site, mail, "73")
    await deciders.entrust(site.node, site.person(PostRole.AGENCY_ADMIN, "department"))
    async with calling_as(site, PostRole.AGENCY_ADMIN, "department") as guest:
        listed = await guest.get("/co-quan/de-nghi")
        assert (listed.status, letter in listed.text, TO_PROPOSE in listed.text) == (200, False, False)
        assert (await guest.get(INTRODUCED)).status == 403


async def _introduces(site: Site, mail: Mail, number: str, content: bytes = SPECIMEN) -> str:
    """Send a letter of the province, as a rule with a specimen of its seal; return its id at the department."""
    async with intake.receive_files(site.node.out) as files:
        await files.add(FileRole.LEAD, "gioi-thieu.pdf", FileRole.LEAD, in_one(content))
        order = Order(draft=draft(number, DEPARTMENT, type_name=_KIND))
        accepted = await accept.accept(site.node.out, await mail.scope("province"), order, files, None)
    assert accepted.document is not None
    return (await mail.wait_for_arrival("department", accepted.document)).id


async def _proof(site: Site, person: Someone) -> SignedIn:
    site.clock.skip(timedelta(seconds=31))
    form = person.sign_in_form()
    return await people.sign_in(site.node.deciding, person.person.login or "", person.password, form.code)


def _duty(page: str) -> int:
    """Return the number that stands at the duty in the page's bell or home; 0 where it is not named."""
    match = re.search(rf'{TO_PROPOSE} <span class="count">(\d+)</span>', page)
    return int(match[1]) if match else 0
