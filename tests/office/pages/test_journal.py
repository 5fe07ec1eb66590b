"""A line of the log is a sentence: it names a document to a person who may open it, and to no other. No browser is
needed."""

from __future__ import annotations

import html
import re

from gateway_office.domain.roles import PostRole
from tests.office.pages.guest import Guest, at_work, calling, calling_as
from tests.office.pages.mail import Mail
from tests.office.pages.site import Site

LINE = re.compile(r'<li class="journal-line" data-row>.*?<p>(.*?)</p>(.*?)</li>', re.S)


async def _lines(site: Site, guest: Guest, role: PostRole, query: str) -> list[tuple[str, str, str]]:
    """Return the lines that this person sees: the sentence as read, as written, and what is folded beneath."""
    await at_work(site, guest, site.person(role, "" if role.is_of_node else "department"))
    page = (await guest.get(f"/nhat-ky?{query}")).text
    return [
        (" ".join(html.unescape(re.sub(r"<[^>]+>", " ", sentence)).split()), sentence, folded)
        for sentence, folded in LINE.findall(page)
    ]


async def test_a_line_names_the_document_to_those_who_may_open_it_alone(site: Site, mail: Mail) -> None:
    sent, arrived = await mail.taken_in()
    number = sent.draft.code
    query = f"loai=inbox.status&object={arrived.id}"
    async with calling(site.url) as guest:
        lines = await _lines(site, guest, PostRole.AUDITOR, query)

    ((sentence, markup, folded),) = lines
    assert sentence.endswith("tiếp nhận một văn bản đến")
    assert number not in sentence
    assert "<a" not in markup, "there is nothing to open"
    assert arrived.id in folded
    assert sent.draft.subject not in folded


async def test_the_clerks_own_acts_lead_to_their_documents(site: Site, mail: Mail) -> None:
    sent, arrived = await mail.comes()
    async with calling_as(site) as guest:
        await guest.post(f"/van-ban-den/{arrived.id}/tiep-nhan", {"version": str(arrived.version)})
        lines = await _lines(site, guest, PostRole.CLERK, "loai=inbox.status")

    ((sentence, markup, folded),) = [line for line in lines if arrived.id in line[2]]
    clerk = site.person(PostRole.CLERK, "department").person
    assert sentence.startswith(f"{clerk.name} tiếp nhận văn bản {sent.draft.code} của ")
    assert f'href="/van-ban-den/{arrived.id}"' in markup
    assert "Không đạt" not in markup, "a result is said where it is none alone"
    assert "inbox.status" in folded
