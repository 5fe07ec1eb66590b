"""A stop that was announced is one line on every page, which unfolds, until an hour before it. The tests use no browser."""

from __future__ import annotations

import re
from datetime import timedelta

from gateway_office.domain.notice import NoticeKind, NoticeWish
from gateway_office.domain.roles import PostRole
from gateway_office.notices import NoticeBoard
from tests.office.pages.guest import at_work, calling
from tests.office.pages.site import Site

NOTE = re.compile(r'role="note"><details( open)?><summary>(.*?)</summary>(.*?)</details>', re.S)
TEXT = "Thay ổ đĩa của máy chủ"


async def test_a_stop_is_one_line_until_its_last_hour(site: Site) -> None:
    starts_at = site.clock.now() + timedelta(days=4)
    wish = NoticeWish(
        kind=NoticeKind.STOP, starts_at=starts_at, ends_at=starts_at + timedelta(hours=2), text_vi=TEXT
    )
    operator = site.person(PostRole.OPERATOR)
    board = NoticeBoard(services=site.node.todo, rows=site.node.store.notices)
    stop = await board.publish(operator.person.id, wish)
    is_open = []
    async with calling(site.url) as guest:
        for wait in (timedelta(), timedelta(days=4, minutes=-61), timedelta(minutes=2), timedelta(hours=2)):
            site.clock.skip(wait)
            await at_work(site, guest, site.person(PostRole.CLERK, "department"))
            ((opened, line, text),) = NOTE.findall((await guest.get("/tro-giup")).text)
            is_open.append(bool(opened))
            assert "Thông báo tạm dừng" in line
            assert (TEXT in line, TEXT in text) == (False, True)
        incident = NoticeWish(
            kind=NoticeKind.INCIDENT,
            starts_at=site.clock.now(),
            ends_at=None,
            text_vi=TEXT,
            meanwhile="Gửi bản giấy",
            afterwards="Nhập lại vào sổ",
        )
        await board.end(operator.person.id, stop.id)
        await board.publish(operator.person.id, incident)
        site.clock.skip(timedelta(minutes=1))  # pages remember notices for some seconds
        ((opened, _, _),) = NOTE.findall((await guest.get("/tro-giup")).text)

    assert is_open == [False, False, True, True]
    assert opened
