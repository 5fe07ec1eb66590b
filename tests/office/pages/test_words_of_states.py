"""The words that stand for a state say what is so now, on every page that shows them. The tests use no browser."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

from gateway.domain.document import Assignment, IncomingDocument
from gateway.incoming import act
from gateway.incoming.act import StatusCall
from gateway.outgoing import drafting
from gateway_office.domain.roles import PostRole
from tests.office.pages.guest import calling_as
from tests.office.pages.mail import UNIT, Mail, at
from tests.office.pages.site import Site
from tests.support.cases import Cases

WAITS_FOR_UNIT = "chờ phân công"


async def test_what_was_assigned_waits_nowhere_for_an_assignment(
    site: Site, mail: Mail, cases: Cases
) -> None:
    """Neither where the sender was told of it, nor where a program named the unit without a status."""
    sent, document = await mail.taken_in()
    assignment = Assignment(lead_unit=UNIT)
    await mail.status("department", sent, StatusCall(code="04", staff=mail.clerk(), assignment=assignment))
    _, silent = await mail.taken_in("plan")
    await act.assign(site.node.inn, await mail.scope("department"), silent.id, assignment)
    site.clock.skip(timedelta(days=1))
    async with calling_as(site) as guest:
        for path in _pages(document, silent):
            with cases.case(path):
                page = await guest.get(path)
                assert page.status == 200
                assert WAITS_FOR_UNIT not in page.text
                assert "trình, phân công" not in page.text


async def test_a_draft_has_words_of_a_draft(site: Site, mail: Mail, cases: Cases) -> None:
    """A draft does not say that it waits to be sent or was sent, and offers no stop of its sending."""
    sent, _ = await mail.comes()
    scope = await mail.scope("province")
    draft = await drafting.begin(site.node.out, scope, replace(sent.draft, number="999", external_id=None))
    async with calling_as(site, PostRole.CLERK, "province") as guest:
        page = (await guest.get(f"/van-ban-di/{draft.id}")).text
        row = (await guest.get("/van-ban-di?tab=draft")).text.partition('<ol class="letters"')[2]
        row = row.partition("</ol>")[0]

    for words in ("Chờ gửi", "chờ gửi", "chưa gửi", "Hủy gửi", "Giờ bấm gửi", "Người gửi"):
        with cases.case(words):
            assert words not in page
            assert words not in row
    assert "Nháp" in row
    assert all(words in page for words in ("Nháp", "Bỏ bản nháp", "Người soạn", "Bắt đầu soạn lúc"))
    assert "Sở Thử nghiệm" in page.partition('id="recipients"')[2]


async def test_a_recalled_document_tells_its_recall_in_its_picture(site: Site, mail: Mail) -> None:
    sent, arrived = await mail.taken_in()
    pictures = []
    async with calling_as(site, PostRole.CLERK, "province") as guest:
        await mail.recall(sent)
        await mail.wait_until(lambda: mail.is_asked_back(arrived))
        for code in ("", "15"):
            if code:
                await mail.status("department", sent, StatusCall(code=code, staff=mail.clerk()))
                await mail.wait_until(lambda: mail.stands("province", sent, "request_agreed"))
            page = (await guest.get(f"/van-ban-di/{sent.id}")).text
            pictures.append(
                re.findall(r'<li class="(past|here|ahead|stopped)".*?<strong>(.*?)</strong>', page, re.S)
            )

    steps = [("past", word) for word in ("Đã gửi", "Đã đến", "Đã tiếp nhận")]
    assert pictures == [[*steps, ("here", "Thu hồi văn bản")], [*steps, ("past", "Thu hồi văn bản")]]


def _pages(*documents: IncomingDocument) -> tuple[str, ...]:
    lists = ("/van-ban-den?tab=accepted", "/van-ban-den?tab=all", "/tim-kiem?q=so&phia=in")
    return (*lists, "/so-van-ban?so=incoming", "/can-xu-ly", "/tong-quan", "/thong-bao", *map(at, documents))
