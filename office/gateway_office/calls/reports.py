"""Serves reports over the figures of a period to programs, as JSON or as a file, and schedules: the node sends a report
after each period. In: a call, a report's name, a span of days; which report, how often, and the people. Out: lines with
their figures and the totals of the period before; a file that is complete before its first byte is sent; the schedules
with their next and last sending."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, Literal

from aiohttp import web
from pydantic import Field

from gateway.api.call import Call, once
from gateway.api.models import UrgencyKey
from gateway.api.routes import BASE, Route
from gateway.api.shapes import Code, Line, Moment, RequestModel, ResponseModel
from gateway.domain.account import ApiScope
from gateway.domain.request_fault import bad_value
from gateway.domain.wall_clock import local
from gateway.errors import BadForm, NotFound
from gateway.words.labels import say
from gateway_office.book import reports, scheduled
from gateway_office.calls.files import SpanQuery, written_file
from gateway_office.policy.report_schedules import (
    MOST_PEOPLE,
    PeriodKind,
    ReportSchedule,
    ScheduleWish,
    known_lines,
)
from gateway_office.policy.reports import REPORTS, ReportColumn, ReportTable

if TYPE_CHECKING:
    from gateway_office.bootstrap.office import Office

_ONE_CHOICE = "At most one of `unit`, `partner`, `type`, `urgency`"


class ReportQuery(SpanQuery):
    """Which report: its period may begin in another year."""

    by: str = Field("", description="What its lines are; one of its `lines`, the first where absent")
    unit: str = Field("", description="One unit of the agency; the whole agency where absent")
    partner: str = Field("", description=f"Code of one partner. {_ONE_CHOICE}")
    type: str = Field("", description=f"Name of one type of documents. {_ONE_CHOICE}")
    urgency: UrgencyKey | None = Field(None, description=f"One urgency. {_ONE_CHOICE}")


class ReportFileQuery(ReportQuery):
    """Which report as a file."""

    format: Literal["csv", "xlsx", "pdf"] = "csv"


class ReportColumnOut(ResponseModel):
    name: str
    title: str


class ReportOut(ResponseModel):
    """One report, and what it can be asked for."""

    name: str
    title: str
    lines: list[str] = Field(description="What `by` may be")
    columns: list[ReportColumnOut]


class Reports(ResponseModel):
    data: list[ReportOut]


class ReportLineOut(ResponseModel):
    key: str = Field(description="A day, month, type, urgency, code, unit, person or reason")
    title: str
    figures: dict[str, int | float | None] = Field(description="By column; null where it is not known")


class ReportTableOut(ResponseModel):
    """One report with its figures. A document counts on the day on which it was sent or came."""

    name: str
    by: str
    since: dt.date
    until: dt.date
    columns: list[ReportColumnOut]
    data: list[ReportLineOut]
    total: dict[str, int | float | None]
    before: dict[str, int | float | None] = Field(description="Totals of the period before")


async def _reports(call: Call) -> web.Response:
    return call.tell(
        Reports(
            data=[
                ReportOut(
                    name=report.key,
                    title=say(f"report.{report.key}", call.lang),
                    lines=[*report.lines],
                    columns=_report_columns(report.columns, call.lang),
                )
                for report in REPORTS.values()
                if not report.of_node
            ]
        )
    )


async def _ask(office: Office, call: Call, query: ReportQuery) -> ReportTable:
    """Answer the question that the call asks."""
    today = local(office.clock.now()).date()
    report = reports.report_named(call.path("name"))
    if report.of_node:
        raise NotFound(f"the report {report.key} is about the whole node; its operator has it")
    last_day = query.until or today
    since = query.since or last_day.replace(day=1)
    only = {"unit": query.unit, "partner": query.partner, "type": query.type, "urgency": query.urgency or ""}
    try:
        question = reports.ask(report, by=query.by, since=since, until=last_day, only=only)
    except BadForm as error:
        raise bad_value(f"?{error.field}", error.detail) from error
    if query.by and query.by != question.by:
        raise bad_value("?by", ", ".join(question.lines))
    if since > last_day:
        raise bad_value("?to", f"{since} …")
    return await reports.make(office.store, [call.scope().agency_id], question, today)


async def _report(office: Office, call: Call) -> web.Response:
    table = await _ask(office, call, call.query_of(ReportQuery))
    question = table.question
    return call.tell(
        ReportTableOut(
            name=question.report.key,
            by=question.by,
            since=question.since,
            until=question.until,
            columns=_report_columns(question.columns, call.lang),
            data=[
                ReportLineOut(
                    key=line.key,
                    title=reports.label(question.by, line.key, call.lang, {}),
                    figures=table.by_column(line.figures),
                )
                for line in table.lines
            ],
            total=table.by_column(table.total),
            before=table.by_column(table.before),
        )
    )


async def _report_file(office: Office, call: Call) -> web.StreamResponse:
    query = call.query_of(ReportFileQuery)
    table = await _ask(office, call, query)
    issuer = await office.store.accounts.letterhead(call.scope().agency_id)
    today = local(office.clock.now()).date()
    keys = [line.key for line in table.lines]
    names = await reports.names_of(office.inn, office.accounts, table.question, keys, today, call.lang)

    async def write(out: BinaryIO) -> None:
        # Its library of sheets is loaded at first use alone.
        from gateway_office.book import report_files

        await report_files.write(office.pool, out, query.format, table, names, issuer, today, call.lang)

    return await written_file(call, reports.file_name(table.question, query.format), write)


class ScheduleIn(RequestModel):
    """A report to be sent after each period."""

    report: Line
    by: Line = Field("", description="What its lines are; the first that it knows where absent")
    period: PeriodKind
    format: Literal["pdf", "xlsx", "csv"] = "pdf"
    unit: Line = ""
    partner: Code | None = Field(None, description=f"Code of one partner. {_ONE_CHOICE}")
    type: Line = Field("", description=f"Name of one type of documents. {_ONE_CHOICE}")
    urgency: UrgencyKey | None = Field(None, description=f"One urgency. {_ONE_CHOICE}")
    people: list[Line] = Field(
        default_factory=list,
        max_length=MOST_PEOPLE,
        description="Sign-in names or ids of persons who may see reports; each gets the file by mail",
    )
    programs: bool = Field(False, description="The figures are in the event, for webhooks and the feed")
    webhook: Line = Field(
        "", description="Id of the one webhook that is told; every one that listens where absent"
    )


class ScheduleOut(ResponseModel):
    id: str
    report: str
    by: str
    period: str
    format: str
    unit: str
    partner: str
    type: str
    urgency: str
    people: list[str] = Field(description="Ids of persons")
    programs: bool
    webhook: str
    state: Literal["active", "paused"]
    since: dt.date = Field(description="First day of the period that is sent next")
    until: dt.date
    next_at: Moment | None = Field(description="When it is sent at the earliest; null while paused")
    sent_at: Moment | None
    problem: str | None = Field(description="Why the last sending failed, or left somebody out")


class Schedules(ResponseModel):
    data: list[ScheduleOut]


class ScheduleStateIn(RequestModel):
    state: Literal["active", "paused"] = Field(
        description="A paused one begins again with the present period"
    )


class ScheduleRemoved(ResponseModel):
    id: str


async def _schedule_view(office: Office, call: Call, schedule: ReportSchedule) -> ScheduleOut:
    wish, (since, last_day) = schedule.wish, schedule.span
    is_paused = schedule.paused_at is not None
    return ScheduleOut(
        id=schedule.id,
        report=wish.report,
        by=wish.by,
        period=wish.period,
        format=wish.form,
        **wish.only,
        people=[*wish.people],
        programs=wish.to_programs,
        webhook=wish.webhook,
        state="paused" if is_paused else "active",
        since=since,
        until=last_day,
        next_at=None
        if is_paused
        else await scheduled.next_send(office.inn, call.scope().agency_id, schedule),
        sent_at=schedule.sent_at,
        problem=schedule.problem or None,
    )


async def _schedules(office: Office, call: Call) -> web.Response:
    schedules = await scheduled.list_all(office.inn, call.scope())
    return call.tell(Schedules(data=[await _schedule_view(office, call, s) for s in schedules]))


async def _make_schedule(office: Office, call: Call) -> web.Response:
    body, scope = call.body_of(ScheduleIn), call.scope()
    wish, faults = await scheduled.complete(
        office.inn,
        office.accounts,
        scope.agency_id,
        ScheduleWish(
            report=body.report,
            by=body.by,
            period=body.period,
            form=body.format,
            unit=body.unit,
            partner=body.partner or "",
            type_name=body.type,
            urgency=body.urgency or "",
            people=tuple(body.people),
            to_programs=body.programs,
            webhook=body.webhook,
        ),
    )
    for field, _ in faults:
        expected = {
            "report": ", ".join(key for key, report in REPORTS.items() if not report.of_node),
            "by": ", ".join(known_lines(wish)),
            "people": say("report.schedule.people.hint", call.lang),
            "webhook": f"{wish.event_kind}",
        }
        raise bad_value(f"/{field}", expected.get(field, ""))

    async def act() -> str:
        schedule = await scheduled.add(office.inn, scope, wish)
        return (await _schedule_view(office, call, schedule)).model_dump_json()

    return await once(call, act, status=201)


async def _change_schedule(office: Office, call: Call) -> web.Response:
    is_paused = call.body_of(ScheduleStateIn).state == "paused"
    schedule = await scheduled.set_pause(office.inn, call.scope(), call.path("id"), is_paused=is_paused)
    return call.tell(await _schedule_view(office, call, schedule))


async def _remove_schedule(office: Office, call: Call) -> web.Response:
    await scheduled.remove(office.inn, call.scope(), call.path("id"))
    return call.tell(ScheduleRemoved(id=call.path("id")))


def _report_columns(columns: Sequence[ReportColumn], lang: str) -> list[ReportColumnOut]:
    return [
        ReportColumnOut(name=column.key, title=say(f"report.column.{column.key}", lang)) for column in columns
    ]


def routes(office: Office) -> Sequence[Route]:
    make_route = partial(Route, tag="reports", scopes=(ApiScope.INBOX_READ, ApiScope.MESSAGES_READ))
    return (
        make_route(
            path=f"{BASE}/reports",
            name="listReports",
            handler=_reports,
            summary="The reports, and what each can be asked for",
            answer=Reports,
        ),
        make_route(
            path=f"{BASE}/reports/{{name}}",
            name="getReport",
            handler=partial(_report, office),
            summary="One report of a period, with the totals of the period before",
            text="Figures are sums that a loop keeps; they follow within half a minute. A document counts on "
            "the day on which it was sent or came, as it stands now. Lines of one partner, type or urgency that are "
            "neither times nor units, and partners of one unit, are kept by month: `since` and `until` are then those "
            "of the whole months.",
            query=ReportQuery,
            answer=ReportTableOut,
            fails=(400, 404),
        ),
        make_route(
            path=f"{BASE}/reports/{{name}}/file",
            name="takeReport",
            handler=partial(_report_file, office),
            summary="One report of a period as a file",
            text="Text for tables, a workbook, or a PDF with the agency's heading and places for signatures.",
            query=ReportFileQuery,
            media="*/*",
            fails=(400, 404),
        ),
        *_schedule_routes(office),
    )


def _schedule_routes(office: Office) -> Sequence[Route]:
    # A key that may decide where events go may decide where figures go, of what it may read itself.
    scopes = (ApiScope.INBOX_READ, ApiScope.MESSAGES_READ, ApiScope.WEBHOOKS_MANAGE)
    make_route = partial(Route, tag="reports", scopes=scopes)
    path = f"{BASE}/report-schedules"
    return (
        make_route(
            path=path,
            name="listReportSchedules",
            handler=partial(_schedules, office),
            summary="Reports that are sent after each period, with their next and last sending",
            answer=Schedules,
        ),
        make_route(
            path=path,
            name="makeReportSchedule",
            method="POST",
            handler=partial(_make_schedule, office),
            summary="Send a report after each day, week, month or quarter",
            text="It is sent once for each period, in the first office hour behind it, when the figures have followed. "
            "Persons get a file by mail, with the figures that they may see. With `programs` the figures are in the "
            "event `inbox.report` or `message.report`, which has one id however often a webhook is told it.",
            creates=True,
            asks=ScheduleIn,
            answer=ScheduleOut,
            status=201,
            fails=(400, 409),
            sample=lambda _: {"report": "incoming", "by": "month", "period": "quarter", "programs": True},
        ),
        make_route(
            path=f"{path}/{{id}}",
            name="changeReportSchedule",
            method="PATCH",
            handler=partial(_change_schedule, office),
            summary="Pause a report schedule, or let it go on",
            asks=ScheduleStateIn,
            answer=ScheduleOut,
        ),
        make_route(
            path=f"{path}/{{id}}",
            name="removeReportSchedule",
            method="DELETE",
            handler=partial(_remove_schedule, office),
            summary="Send a report no longer",
            answer=ScheduleRemoved,
        ),
    )
