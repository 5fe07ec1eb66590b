"""The clerk of an agency sees packets that were put aside, in plain words, and a packet that was changed after it was
signed is returned. The tests use no browser."""

from __future__ import annotations

import re

from gateway.domain.status import Fact
from gateway.store import reporting
from gateway_office.domain.roles import PostRole
from tests.office.pages.guest import Guest, at_work, calling
from tests.office.pages.mail import Mail
from tests.office.pages.quarantine import land_broken, land_changed, packets_aside
from tests.office.pages.site import Site
from tests.support.cases import Cases

MAIN = re.compile(r'class="button main" href="([^"]+)"')
HEADING = re.compile(r"<h1[^>]*>(.*?)</h1>", re.S)
ROW = re.compile(
    r'<(?:tr|li class="letter")[^>]*>(?:(?!</tr>|</li>).)*?/van-hanh/cach-ly/.*?</(?:tr|li)>', re.S
)
LISTS = ("/van-hanh/cach-ly", "/van-ban-den?tab=held", "/van-ban-den?tab=all")
# Ids and codes of machines, and words of English.
FOREIGN = re.compile(r"(changed|broken)-1|\b[A-Z]+-[A-Z]{2,}|\b(the|of|not|is|signed)\b")


async def _clerk(site: Site, guest: Guest) -> None:
    await at_work(site, guest, site.person(PostRole.CLERK, "department"))


async def test_a_packet_that_was_changed_after_signing_is_returned(site: Site, mail: Mail) -> None:
    """The sender is not proved, so the act is written down and nothing is answered (A7)."""
    id, sent = await land_changed(site, mail)
    async with calling(site.url) as guest:
        await _clerk(site, guest)
        page = (await guest.get(f"/van-hanh/cach-ly/{id}")).text
        act = f"/van-hanh/cach-ly/{id}/quyet-dinh/tra-lai"
        page_text = (await guest.get(act)).text
        answer = await guest.post(act, {"code": "NOT_AUTHENTIC", "reason": "Đã gọi văn thư Ủy ban"})
        next_page = await guest.get(answer.leads)

    assert MAIN.findall(page) == [act]
    (heading,) = HEADING.findall(page)
    assert "Ủy ban nhân dân tỉnh" in heading
    assert sent.draft.code in heading
    assert "changed-1" not in heading
    assert "không tự trả lời" in page_text
    assert answer.status == 303
    assert "Đã ghi trả lại" in next_page.text
    assert await packets_aside(site) == []
    assert (await reporting.find_packet(site.node.store, "", id)).state == "returned"
    assert "02" not in {fact.code for fact in await _facts_of_sender(mail, sent.id)}


async def _facts_of_sender(mail: Mail, id: str) -> list[Fact]:
    async with mail.node.store.read(await mail.scope("province")) as work:
        (delivery,) = await work.deliveries.of_document(id)
        return list(await work.facts.of_subject(delivery.id))


async def test_the_clerks_lists_of_packets_put_aside_are_in_plain_words(
    site: Site, mail: Mail, cases: Cases
) -> None:
    _, sent = await land_changed(site, mail)
    await land_broken(site)
    async with calling(site.url) as guest:
        await _clerk(site, guest)
        for path in LISTS:
            with cases.case(path):
                page = (await guest.get(path)).text
                rows = ROW.findall(page)
                words = [re.sub(r"<[^>]+>", " ", row).replace(sent.draft.code, "") for row in rows]
                assert len(words) == 2
                assert not [row for row in words if FOREIGN.search(row)], words
