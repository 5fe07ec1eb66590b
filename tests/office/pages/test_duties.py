"""The one table of duties: each has one word, one number and one link for a role, wherever it stands. Asked without a
browser."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import timedelta

from lxml import html

from gateway.deciding import people, proposals
from gateway.domain.document import Urgency
from gateway.domain.person import ProposalContent, SignedIn
from gateway.incoming import act
from gateway.incoming.act import StatusCall
from gateway_office.domain.roles import PostRole
from gateway_office.letters import received
from tests.office.long.pages.test_lists import arrive
from tests.office.pages import deciders
from tests.office.pages.guest import Guest, at_work, calling, calling_as
from tests.office.pages.mail import Mail
from tests.office.pages.site import Site
from tests.office.support.accounts import Someone
from tests.support.cases import Cases
from tests.support.node import DEPARTMENT
from tests.support.pdf_pki import agency
from tests.support.seals import seal_of

WAITING, MENU = "Chờ tiếp nhận", "Cần xử lý"
_COUNT = "[contains(concat(' ', @class, ' '), ' count ')]"


@dataclass(kw_only=True)
class DutyPages:
    """Words with their numbers on one person's pages, and the links of the home page's groups."""

    home: dict[str, int]
    links: dict[str, str]
    bell: dict[str, int]
    chips: dict[str, int]
    badges: dict[str, int]
    first: tuple[str, int]
    rows: dict[str, int] = field(default_factory=dict)


async def test_a_duty_has_one_word_and_one_number_wherever_it_stands(
    site: Site, mail: Mail, cases: Cases
) -> None:
    """Three letters wait in time, one is urgent; the clerk took two in, one of them is before the head."""
    clerk, head, viewer = (
        site.person(role, "department") for role in (PostRole.CLERK, PostRole.HEAD, PostRole.VIEWER)
    )
    scope = replace(await mail.scope("department"), principal_id=clerk.person.id)
    urgent = {"urgency": Urgency.VERY_URGENT}
    waiting = ({"number": str(n)} for n in (1, 2, 3))
    *_, free, submitted = await arrive(site, *waiting, *({"number": str(n), **urgent} for n in (4, 5, 6)))
    for submits, letter in ((False, free), (True, submitted)):
        await act.set_status(site.node.inn, scope, letter.id, StatusCall(code="03", staff=mail.clerk()))
        if submits:
            await received.submit(site.node.inn, scope, letter.id, head.person.id, "")
    expected = {
        clerk: ({WAITING: 4, "Chờ trình, phân công": 1}, ("Việc của tôi", 5)),
        head: ({"Chờ ý kiến lãnh đạo": 1}, ("Chờ ý kiến", 1)),
        viewer: ({}, ("Tất cả", 6)),
    }
    for person, (own, first) in expected.items():
        pages = await _read_pages(site, person)
        for place, numbers in (("home", pages.home), ("bell", pages.bell)):
            with cases.case(f"{place} of the {person.person.title}"):
                assert numbers == own
        with cases.case(f"chips, links and lists of the {person.person.title}"):
            assert {word: pages.chips.get(word) for word in own} == own
            assert pages.rows == own
        with cases.case(f"first tab and badges of the {person.person.title}"):
            assert (pages.first, pages.badges.get(MENU, 0)) == (first, sum(own.values()))
            assert pages.badges.get("Văn bản đến", 0) == own.get(WAITING, 0)


async def test_a_decider_has_the_waiting_proposals_at_home(site: Site) -> None:
    """They are counted for each person who may decide them, never for the one who proposed."""
    first, second = await deciders.two(
        site.node, site.url, site.clock.skip, site.person(PostRole.OPERATOR).by
    )
    signed_in = await _decider(site, first.person)
    content = ProposalContent(seals=(seal_of(DEPARTMENT, agency()),))
    await proposals.propose(site.node.deciding, signed_in, content, "Đăng ký mẫu dấu")

    for person, number in ((first.person, 0), (second.person, 1)):
        async with calling(site.url) as guest:
            await at_work(site, guest, person)
            home, listed = await _page(guest, "/tong-quan"), await _page(guest, "/co-quan/de-nghi")
        assert _groups(home)[0] == ({"Đề nghị chờ quyết định": 1} if number else {})
        assert _badges(home).get("Cơ quan", 0) == number
        assert len(listed.xpath("//*[@data-decides]")) == number


async def test_the_bell_is_silent_about_what_follows_from_ones_own_act(site: Site, mail: Mail) -> None:
    """A clerk takes in an ordinary letter: that it is now to be laid before a leader is a duty of hers, and no news."""
    clerk = site.person(PostRole.CLERK, "department")
    scope = replace(await mail.scope("department"), principal_id=clerk.person.id)
    (letter,) = await arrive(site, {"number": "7"})
    await act.set_status(site.node.inn, scope, letter.id, StatusCall(code="03", staff=mail.clerk()))
    now = site.clock.now()
    site.clock.skip(timedelta(hours=(24 + 9 - now.hour) % 24))  # 16:00 to 17:00 in Vietnam

    async with calling_as(site) as guest:
        home, bell = await _page(guest, "/tong-quan"), await _page(guest, "/thong-bao")
    assert _groups(home)[0].get("Chờ trình, phân công") == 1
    assert not bell.xpath(f"//main//ul[contains(@class, 'rings')]//a[contains(@href, '{letter.id}')]")


async def _read_pages(site: Site, person: Someone) -> DutyPages:
    async with calling(site.url) as guest:
        await at_work(site, guest, person)
        home, bell, listed = [await _page(guest, path) for path in ("/tong-quan", "/thong-bao", "/can-xu-ly")]
        numbers, links = _groups(home)
        chips = {_words(a): _number(a) for a in listed.xpath(f"//*[@data-tab='tasks'][*{_COUNT}]")}
        pages = DutyPages(
            home=numbers,
            links=links,
            bell={_words(a): _number(a) for a in bell.xpath("//main//*[@data-duty]")},
            chips=chips,
            badges=_badges(home),
            first=next(iter(chips.items())),
        )
        for word, link in links.items():
            pages.rows[word] = len((await _page(guest, link)).xpath("//main//*[@data-row]"))
        # The home page leads to where the bell leads.
        assert sorted(links.values()) == sorted(
            str(a.get("href")) for a in bell.xpath("//main//*[@data-duty]")
        )
    return pages


async def _decider(site: Site, person: Someone) -> SignedIn:
    site.clock.skip(timedelta(seconds=31))
    form = person.sign_in_form()
    return await people.sign_in(site.node.deciding, person.person.login or "", person.password, form.code)


async def _page(guest: Guest, path: str) -> html.HtmlElement:
    answer = await guest.get(path)
    assert answer.status == 200, path
    return html.document_fromstring(answer.text)


def _groups(home: html.HtmlElement) -> tuple[dict[str, int], dict[str, str]]:
    """Return the groups of the person's own duties: their numbers, and the links that show all of each."""
    heads = home.xpath("//*[contains(@class, 'group-head')][h2[starts-with(@id, 'work-')]]")
    numbers = {_words(head.find("h2")): _number(head.find("h2")) for head in heads}
    for head in heads:
        assert str(_number(head.find("h2"))) in "".join(head.find("a").itertext()), "Xem cả N"
    return numbers, {_words(head.find("h2")): str(head.find("a").get("href")) for head in heads}


def _badges(page: html.HtmlElement) -> dict[str, int]:
    entries = page.xpath(f"//nav[contains(@class, 'menu')]//a[*{_COUNT}]")
    return {"".join(a.xpath("span[@class='word']//text()")).strip(): _number(a) for a in entries}


def _words(element: html.HtmlElement) -> str:
    return " ".join("".join(element.xpath("text()")).split())


def _number(element: html.HtmlElement) -> int:
    (count, *_) = element.xpath(f".//*{_COUNT}")
    return int(re.sub(r"\D", "", str(count.text)))
