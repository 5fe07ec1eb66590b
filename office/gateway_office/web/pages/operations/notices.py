"""Notices of stops and incidents: R97, R98 (notices of the node). Write one, see before its audience and whether it is
early enough, end one. In: a form. Out: a notice on every page of its audience, and an event in their feeds."""

from __future__ import annotations

from datetime import datetime

from aiohttp import web

from gateway.domain.wall_clock import local, vietnam_time
from gateway_office.domain.notice import LONGEST_TEXT, Audience, NoticeKind, NoticeWish
from gateway_office.policy.todo import NOTICE_TEXTS
from gateway_office.web import dates
from gateway_office.web.forms import Problems
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.pages.operations.findings import PATH
from gateway_office.web.pages.operations.state import (
    both,
    get,
    hosted_names,
    post,
    tab_page,
    tab_question,
)

_LIST = f"{PATH}/thong-bao"
MOST = 100
_NEW = {"tam-dung": NoticeKind.STOP, "su-co": NoticeKind.INCIDENT}
_FIELDS = {"starts_at": "starts_day", "ends_at": "ends_day"}


async def list_notices(request: PageRequest) -> web.StreamResponse:
    board, now = request.deps.notices, request.deps.clock.now()
    notices = await board.rows.all(MOST)
    return await tab_page(
        request,
        "notices",
        "notices",
        current=[notice for notice in notices if notice.holds(now)],
        past=[notice for notice in notices if not notice.holds(now)],
        names=await hosted_names(request),
        earliest=await board.earliest(),
    )


async def publish(request: PageRequest) -> web.StreamResponse:
    wish, problems = await _wish(request)
    if wish is None or problems:
        return await form(request, problems)
    if faults := await request.deps.notices.faults(wish):
        return await form(request, [_problem_of(request, field, fault) for field, fault in faults])
    await request.deps.notices.publish(request.person.person.id, wish)
    return request.confirm(_LIST, "operating.notice.published")


async def end(request: PageRequest) -> web.StreamResponse:
    if request.is_act:
        await request.deps.notices.end(request.person.person.id, request.path("id"))
        return request.confirm(_LIST, "operating.notice.ended")
    return await tab_question(
        request,
        "notices",
        "notice",
        None,
        "operating.notice.end",
        back=_LIST,
        told_of=await request.deps.notices.rows.get(request.path("id")),
        names=await hosted_names(request),
    )


async def form(request: PageRequest, problems: Problems | None = None) -> web.Response:
    kind = _kind(request)
    form_values = request.form.flat()
    if not form_values and kind is NoticeKind.INCIDENT:
        now = local(request.deps.clock.now())
        form_values = {"starts_day": f"{now:%d/%m/%Y}", "starts_time": f"{now:%H:%M}"}
    hosted = [agency for agency in await request.deps.store.hosted() if agency.left_at is None]
    return await tab_page(
        request,
        "notices",
        "notice_form",
        problems,
        title=request.say(f"operating.notice.new.{kind}"),
        kind=kind,
        given=form_values,
        earliest=await request.deps.notices.earliest(),
        agencies=[
            ("", request.say("operating.notice.all")),
            *((agency.id, f"{agency.name} ({agency.code})") for agency in hosted),
        ],
        most=LONGEST_TEXT,
        path=request.http.path,
    )


def _kind(request: PageRequest) -> NoticeKind:
    return _NEW.get(request.path("kind"), NoticeKind.STOP)


async def _wish(request: PageRequest) -> tuple[NoticeWish | None, Problems]:
    """Read the form; None while its times are unreadable."""
    problems: Problems = []
    starts = _moment(request, "starts", problems, needed=True)
    ends = _moment(request, "ends", problems, needed=False)
    agency = request.form.text("agency")
    if agency and agency not in await hosted_names(request):
        problems.append(request.missing("agency", "operating.notice.audience"))
    if starts is None or problems:
        return None, problems
    return NoticeWish(
        kind=_kind(request),
        starts_at=starts,
        ends_at=ends,
        **{name: request.form.text(name) for name in NOTICE_TEXTS},
        audience=Audience.ONE_AGENCY if agency else Audience.ALL,
        agency_id=agency,
    ), problems


def _moment(request: PageRequest, name: str, problems: Problems, *, needed: bool) -> datetime | None:
    day_text, time_text = request.form.text(f"{name}_day"), request.form.text(f"{name}_time")
    if not day_text and not time_text and not needed:
        return None
    day = dates.typed_day(day_text, request.today)
    clock = dates.typed_clock(time_text)
    if day is None:
        problems.append((f"{name}_day", request.say("operating.notice.day")))
    if clock is None:
        problems.append((f"{name}_time", request.say("operating.notice.time")))
    return vietnam_time(day, clock) if day is not None and clock is not None else None


def _problem_of(request: PageRequest, field: str, fault: str) -> tuple[str, str]:
    name = _FIELDS.get(field, field)
    if fault == "missing":
        return name, request.say("form.missing", field=request.say(f"operating.notice.{field}"))
    return name, request.say(f"operating.notice.fault.{fault}", most=LONGEST_TEXT)


ROUTES = (
    get(_LIST, "notices", list_notices),
    get(f"{_LIST}/moi/{{kind}}", "notice_form", form),
    post(f"{_LIST}/moi/{{kind}}", "notice_published", publish),
    *both(f"{_LIST}/{{id}}/ket-thuc", "notice_end", "notice_ended", end),
)
