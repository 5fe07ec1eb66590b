"""A notice is on every page as soon as it was published, also where a page was just loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from gateway.domain.event import EventKind
from gateway_office.domain.notice import Notice, NoticeKind, NoticeWish
from gateway_office.notices import NoticeBoard
from gateway_office.services import TodoServices
from gateway_office.store.store import SqlNotices, SqlOfficeStore
from tests.support.clock import ManualClock


class LookedAt(SqlNotices):
    """The rows of a store, while a page is asked for in the moment before each save."""

    board: NoticeBoard

    async def save(
        self,
        notice: Notice,
        kind: EventKind,
        agencies: Sequence[str],
        data: Mapping[str, object],
        by: str,
        at: datetime,
    ) -> None:
        await self.board.current(at)
        await super().save(notice, kind, agencies, data, by, at)


async def test_a_page_that_was_asked_for_just_before_hides_no_notice(
    services: TodoServices, store: SqlOfficeStore, clock: ManualClock
) -> None:
    rows = LookedAt(store.writing, store.reading, clock)
    rows.board = board = NoticeBoard(services=services, rows=rows)
    wish = NoticeWish(
        kind=NoticeKind.INCIDENT,
        starts_at=clock.now(),
        ends_at=None,
        text_vi="Trục tạm ngừng kết nối",
        text_en="The axis is down",
        meanwhile="Gửi bản giấy",
        afterwards="Nhập lại khi có kết nối",
    )

    published = await board.publish("person", wish)
    current_notice = await board.current(clock.now())
    await board.end("person", published.id)

    assert current_notice == published
    assert await board.current(clock.now()) is None
