"""Notices of stops and incidents: R97, R98 (notices of the node). Write one, see before its audience and whether it is
early enough, end one. In: a form. Out: a notice on every page of its audience, and an event in their feeds."""

from __future__ import annotations

from datetime import datetime

from aiohttp import web

from gateway.domain.wall_clock import local, vietnam_time
from gateway.office.domain.notice import LONGEST_TEXT, Audience, NoticeKind, NoticeWish
from gateway.office.web import dates
from gateway.office.web.forms import Problems
from gateway.office.web.pages.operations.state import (
    PATH,
    agency_codes,
    both,
    get,
    post,
    tab_page,
    tab_question,
)
from gateway.office.web.visits import Visit

_LIST = f"{PATH}/thong-bao"
MOST = 100
_NEW = {"tam-dung": NoticeKind.STOP, "su-co": NoticeKind.INCIDENT}
_FIELDS = {"starts_at": "starts_day", "ends_at": "ends_day"}


async def list_notices(visit: Visit) -> web.StreamResponse:
    board, now = visit.deps.notices, visit.deps.clock.now()
    notices = await board.rows.all(MOST)
    return await tab_page(
        visit,
        "notices",
        "notices",
        current=[notice for notice in notices if notice.holds(now)],
        past=[notice for notice in notices if not notice.holds(now)],
        codes=await agency_codes(visit),
        earliest=await board.earliest(),
    )


async def publish(visit: Visit) -> web.StreamResponse:
    wish, problems = await _wish(visit)
    if wish is None or problems:
        return await form(visit, problems)
    if faults := await visit.deps.notices.faults(wish):
        return await form(visit, [_problem_of(visit, field, fault) for field, fault in faults])
    await visit.deps.notices.publish(visit.person.person.id, wish)
    return visit.confirm(_LIST, "operating.notice.published")


async def end(visit: Visit) -> web.StreamResponse:
    if visit.is_act:
        await visit.deps.notices.end(visit.person.person.id, visit.path("id"))
        return visit.confirm(_LIST, "operating.notice.ended")
    return await tab_question(
        visit,
        "notices",
        "notice",
        None,
        "operating.notice.end",
        "operating.notice.end.says",
        "operating.notice.end",
        back=_LIST,
        told_of=await visit.deps.notices.rows.get(visit.path("id")),
        codes=await agency_codes(visit),
    )


async def form(visit: Visit, problems: Problems | None = None) -> web.Response:
    kind = _kind(visit)
    form_values = visit.form.flat()
    if not form_values and kind is NoticeKind.INCIDENT:
        now = local(visit.deps.clock.now())
        form_values = {"starts_day": f"{now:%d/%m/%Y}", "starts_time": f"{now:%H:%M}"}
    hosted = [agency for agency in await visit.deps.store.hosted() if agency.left_at is None]
    return await tab_page(
        visit,
        "notices",
        "notice_form",
        problems,
        title=visit.say(f"operating.notice.new.{kind}"),
        kind=kind,
        given=form_values,
        earliest=await visit.deps.notices.earliest(),
        agencies=[
            ("", visit.say("operating.notice.all")),
            *((agency.id, f"{agency.name} ({agency.code})") for agency in hosted),
        ],
        most=LONGEST_TEXT,
        path=visit.request.path,
    )


def _kind(visit: Visit) -> NoticeKind:
    return _NEW.get(visit.path("kind"), NoticeKind.STOP)


async def _wish(visit: Visit) -> tuple[NoticeWish | None, Problems]:
    """Read the form; None while its times are unreadable."""
    text, problems = visit.form.text, Problems()
    starts = _moment(visit, "starts", problems, needed=True)
    ends = _moment(visit, "ends", problems, needed=False)
    agency = text("agency")
    if agency and agency not in await agency_codes(visit):
        problems.append(visit.missing("agency", "operating.notice.audience"))
    if starts is None or problems:
        return None, problems
    return NoticeWish(
        kind=_kind(visit),
        starts_at=starts,
        ends_at=ends,
        text_vi=text("text_vi"),
        text_en=text("text_en"),
        meanwhile=text("meanwhile"),
        afterwards=text("afterwards"),
        emergency=text("emergency"),
        audience=Audience.ONE_AGENCY if agency else Audience.ALL,
        agency_id=agency,
    ), problems


def _moment(visit: Visit, name: str, problems: Problems, *, needed: bool) -> datetime | None:
    day_text, time_text = visit.form.text(f"{name}_day"), visit.form.text(f"{name}_time")
    if not day_text and not time_text and not needed:
        return None
    day = dates.typed_day(day_text, visit.today)
    clock = dates.typed_clock(time_text)
    if day is None:
        problems.append((f"{name}_day", visit.say("operating.notice.day")))
    if clock is None:
        problems.append((f"{name}_time", visit.say("operating.notice.time")))
    return vietnam_time(day, clock) if day is not None and clock is not None else None


def _problem_of(visit: Visit, field: str, fault: str) -> tuple[str, str]:
    name = _FIELDS.get(field, field)
    if fault == "missing":
        return name, visit.say("form.missing", field=visit.say(f"operating.notice.{field}"))
    return name, visit.say(f"operating.notice.fault.{fault}", most=LONGEST_TEXT)


ROUTES = (
    get(_LIST, "notices", list_notices),
    get(f"{_LIST}/moi/{{kind}}", "notice_form", form),
    post(f"{_LIST}/moi/{{kind}}", "notice_published", publish),
    *both(f"{_LIST}/{{id}}/ket-thuc", "notice_end", "notice_ended", end),
)
