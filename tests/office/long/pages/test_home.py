"""Home and the bell show each person their own work, and none of others. The test asks without a browser, on one site
with all that the demonstration shows, as each person in turn."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from gateway.domain.account import AgencyScope
from gateway_office.domain.listing import Filter, Side, Tab
from gateway_office.domain.roles import PostRole
from tests.office.pages.guest import Guest, at_work, calling
from tests.office.pages.site import Site

OWN = "department"
HOME, BELL = "/tong-quan", "/thong-bao"
BOARD = ("late-persons", "silent")


class Visitors:
    """Visitors, each in a browser of their own that runs no scripts."""

    def __init__(self, site: Site, stack: AsyncExitStack) -> None:
        self._site, self._stack = site, stack

    async def come(self, role: PostRole, *, to: str = OWN) -> Guest:
        person = self._site.person(role, "" if role.is_of_node else OWN)
        guest = await self._stack.enter_async_context(calling(self._site.url))
        await at_work(self._site, guest, person, to if role.is_of_node else "")
        return guest


@pytest_asyncio.fixture(loop_scope="session")
async def visitors(site: Site) -> AsyncIterator[Visitors]:
    async with AsyncExitStack() as stack:
        yield Visitors(site, stack)


def forms(page: str) -> list[str]:
    """Return the ids of the letters that one press takes in."""
    return re.findall(r'<form class="no-print" method="post" action="/van-ban-den/([^/"]+)/tiep-nhan"', page)


def groups(page: str) -> list[str]:
    return re.findall(r'id="work-([a-z_]+)"', page)


async def new_letters(site: Site) -> int:
    scope = AgencyScope(agency_id=await site.agency(OWN), principal_id="test")
    async with site.node.store.read(scope) as work:
        return (await work.office.lists.count(Filter(side=Side.IN, tab=Tab.NEW))).n


@pytest.mark.laid
async def test_everybody_finds_at_home_what_waits_for_them(site: Site, visitors: Visitors) -> None:
    """R140 (figures for leaders)."""
    clerk = await visitors.come(PostRole.CLERK)
    page = (await clerk.get(HOME)).text
    assert "Việc hôm nay" in page
    first, *_ = waiting = groups(page)
    assert "approve_recall" not in waiting
    # What is late stands first.
    late = page.index(f'id="work-{first}"'), page.index('<span class="letter-left"><span class="late"')
    assert late[0] < late[1]
    # What presses is counted above all groups, and led to.
    assert page.index('href="/can-xu-ly?gap=1"') < late[0]

    # One press takes a letter in, and home knows at once.
    count, letter_id = await new_letters(site), forms(page)[0]
    answer = await clerk.post(f"/van-ban-den/{letter_id}/tiep-nhan", {"tu": "danh-sach"})
    assert answer.status == 303
    new_page = (await clerk.get(HOME)).text
    assert await new_letters(site) == count - 1
    assert letter_id not in forms(new_page)
    assert len(groups(new_page)) <= len(waiting)

    # The strip of the day has its table; charts are drawn on demand.
    assert 'class="plot day-strip"' in new_page
    assert 'id="c1"' not in new_page
    drawn = (await clerk.get(f"{HOME}?bieu-do=1")).text
    assert 'id="c1"' in drawn

    head = (await (await visitors.come(PostRole.HEAD)).get(HOME)).text
    assert forms(head) == []
    assert not set(groups(head)) & set(waiting)
    assert "/can-xu-ly?loai=" in head
    # The board is for who leads.
    assert all(f'id="{part}"' in head for part in BOARD)
    assert not any(f'id="{part}"' in page for part in BOARD)

    for role in (PostRole.OFFICER, PostRole.UNIT_HEAD):
        answer = await (await visitors.come(role)).get(HOME)
        assert answer.status == 200
        # As one begins and as one goes on.
        assert groups(answer.text)
        assert set(groups(answer.text)) <= {"start", "work"}, role
        assert 'class="plot' not in answer.text, role

    # Without an agency too: the line, the server, the copies.
    # The server's light is the worst line of the page of operations, in its words.
    keeper = await visitors.come(PostRole.OPERATOR, to="")
    operator, machine = await keeper.get(HOME), await keeper.get("/van-hanh")
    lamps = re.findall(r'<li class="fact-line lamp (\w+)"', operator.text)
    assert len(lamps) == 3
    assert lamps[1] == "bad"
    (worst,) = re.findall(r"(?s)<h2[^>]*>Máy chủ.*?<br>(.*?)</p>", operator.text)
    assert worst in machine.text
    assert all(link in operator.text for link in ("/van-hanh/kiem-tra", "/van-hanh/sao-luu", "Máy chủ"))
    auditor = await (await visitors.come(PostRole.AUDITOR, to="")).get(HOME)
    assert (auditor.status, auditor.leads.split("?")[0]) == (303, "/chon-co-quan")


def unread(page: str) -> int:
    return page.count('<li class="unread" data-row>')


def newest_of(page: str) -> str:
    match = re.search(r'name="until" value="([^"]+)"', page)
    assert match is not None
    return match.group(1)


@pytest.mark.laid
async def test_the_bell_tells_each_what_is_theirs_until_it_is_read(site: Site, visitors: Visitors) -> None:
    clerk = await visitors.come(PostRole.CLERK)
    page = (await clerk.get(BELL)).text
    assert unread(page) > 3
    assert all(word in page for word in ("/van-hanh/cach-ly/", "Nơi nhận hơn một ngày chưa phản hồi"))
    # The way to a silent partner is examined by who may.
    assert "/van-hanh/kiem-tra" not in page
    assert f"data-count>{unread(page)}</span>" in (await clerk.get("/van-ban-di")).text

    # Read for this person alone, and on every page.
    answer = await clerk.post(f"{BELL}/da-doc", {"until": newest_of(page)})
    assert (answer.status, answer.leads.split("?")[0]) == (303, BELL)
    assert unread((await clerk.get(BELL)).text) == 0
    assert 'class="count none" data-count>0</span>' in (await clerk.get(HOME)).text
    for wrong in ("", "hôm qua", "2026-11-20T08:00:00"):
        assert (await clerk.post(f"{BELL}/da-doc", {"until": wrong})).status == 400

    # An open page gets the same as a number, and nothing of the letters' content.
    counts = json.loads((await clerk.get("/su-kien/so")).text)
    assert counts == {"count": 0, "bell": {"count": 0}}

    # What was put off is gone, also from the choice of another person.
    head = await visitors.come(PostRole.HEAD)
    assert 'value="approval" checked' in (account := (await head.get("/tai-khoan")).text)
    assert 'value="aside"' not in account
    assert 'value="failed"> ' in account
    assert (await head.post("/tai-khoan/thong-bao", {"kind": "failed"})).status == 303
    assert "Gửi lỗi" in (only := (await head.get(BELL)).text)
    assert "Quá hạn tiếp nhận" not in only

    officer = await visitors.come(PostRole.OFFICER)
    assert "Văn bản mới giao cho đơn vị" in (await officer.get(BELL)).text
    for role in (PostRole.OPERATOR, PostRole.AUDITOR, PostRole.AGENCY_ADMIN):
        guest = await visitors.come(role)
        assert (await guest.get(BELL)).status == 403, role
        assert "data-bell" not in (await guest.get("/tro-giup")).text, role


@pytest.mark.laid
async def test_the_five_first_steps_are_shown_until_they_are_put_away(visitors: Visitors) -> None:
    steps = {PostRole.CLERK: "/phat-hanh", PostRole.OFFICER: "/van-ban-di"}
    for role, step in steps.items():
        guest = await visitors.come(role)
        tour = _tour((await guest.get(HOME)).text)
        assert (tour.count("<li>"), f'href="{step}"' in tour) == (5, True), role
        assert (await guest.post(f"{HOME}/huong-dan/cat", {})).status == 303
        assert _tour((await guest.get(HOME)).text) == ""
        # Help brings the tour back, for this person alone.
        assert f"{HOME}?huong-dan=1" in (await guest.get("/tro-giup")).text
        assert _tour((await guest.get(f"{HOME}?huong-dan=1")).text) == tour
    assert _tour((await (await visitors.come(PostRole.OPERATOR)).get(HOME)).text) == ""


def _tour(page: str) -> str:
    match = re.search(r'<div class="tour"><details .*?</ol>', page, re.DOTALL)
    return match.group(0) if match else ""
