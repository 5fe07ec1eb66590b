"""Tells people of a stop that is planned, or of an incident (R97, R98). In: who, and the wish. Out: a notice that holds,
and an event in the stream of every agency that it is for, so that programs hear of it too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from gateway.domain.event import EventKind
from gateway.errors import BadForm, Clash
from gateway.office.domain.notice import Audience, Notice, Wish
from gateway.office.domain.post import NODE
from gateway.office.policy import noticing
from gateway.office.ports.notices import NoticeRows
from gateway.office.todo.desk import TodoDesk


async def earliest(desk: TodoDesk) -> datetime:
    """From when on a stop may begin that is announced now."""
    return noticing.earliest(await desk.office(), desk.clock.now())


async def faults(desk: TodoDesk, wish: Wish) -> tuple[tuple[str, str], ...]:
    return noticing.faults(wish, await desk.office(), desk.clock.now())


async def publish(desk: TodoDesk, rows: NoticeRows, by: str, wish: Wish) -> Notice:
    """BadForm for one that may not be given; a page asks `faults` before."""
    if found := await faults(desk, wish):
        raise BadForm(f"the notice may not be given so: {found[0][0]} is {found[0][1]}")
    now = desk.clock.now()
    made = Notice(id=desk.clock.new_id("ntc_"), wish=wish, published_at=now, published_by=by)
    told = {**_told(wish), "emergency": wish.emergency, "text_vi": wish.text_vi, "text_en": wish.text_en}
    await rows.save(made, EventKind.NOTICE_PUBLISHED, await _agencies(desk, wish), told, by, now)
    desk.wake()
    return made


async def end(desk: TodoDesk, rows: NoticeRows, by: str, id: str) -> Notice:
    """Clash when it ended before."""
    known, now = await rows.get(id), desk.clock.now()
    if known.closed_at is not None:
        raise Clash(f"the notice {id} ended before")
    closed = replace(known, closed_at=now, closed_by=by)
    agencies = await _agencies(desk, known.wish)
    await rows.save(closed, EventKind.NOTICE_ENDED, agencies, _told(known.wish), by, now)
    desk.wake()
    return closed


async def _agencies(desk: TodoDesk, wish: Wish) -> Sequence[str]:
    if wish.audience is Audience.ONE:
        return (NODE, wish.agency_id)
    return (NODE, *(each.id for each in await desk.store.hosted() if each.left_at is None))


def _told(wish: Wish) -> dict[str, object]:
    return {
        "kind": wish.kind.value,
        "starts_at": wish.starts_at.isoformat(),
        "ends_at": wish.ends_at.isoformat() if wish.ends_at else None,
        "audience": wish.audience.value,
    }
