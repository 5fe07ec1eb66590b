"""Serves reports over the figures of a period to programs, as JSON or as a file, and schedules: the node sends a report
after each period. In: a call, a report's name, a span of days; which report, how often, and the people. Out: lines with
their figures and the totals of the period before; a file that is complete before its first byte is sent; the schedules
with their next and last sending."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import BinaryIO, Literal

from aiohttp import web
from pydantic import Field

from gateway.api.call import Call, once
from gateway.api.models import UrgencyKey
from gateway.api.routes import Routes
from gateway.api.shapes import Code, Line, Moment, RequestModel, ResponseModel
from gateway.domain.account import ApiScope
from gateway.domain.request_fault import bad_value
from gateway.domain.wall_clock import local
from gateway.errors import BadForm, NotFound
from gateway.words.labels import say
from gateway_office.book import reports, scheduled
from gateway_office.bootstrap.office import Office
from gateway_office.calls.files import SpanQuery, written_file
from gateway_office.policy.report_schedules import (
    MOST_PEOPLE,
    PeriodKind,
    ReportSchedule,
    ScheduleWish,
    known_lines,
)
from gateway_office.policy.reports import REPORTS, ReportColumn, ReportTable

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


# A key that may decide where events go may decide where figures go, of what it may read itself.
_READS = (ApiScope.INBOX_READ, ApiScope.MESSAGES_READ)
_SCHEDULES = (*_READS, ApiScope.WEBHOOKS_MANAGE)
ROUTES = Routes("reports", *_READS)


@ROUTES(
    "GET /reports",
    "The reports, and what each can be asked for",
    text="For people's screens: names in both languages, and the parameters that each takes.",
)
async def list_reports(office: Office, call: Call) -> Reports:
    return Reports(
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


@ROUTES(
    "GET /reports/{name}",
    "One report of a period, with the totals of the period before",
    text="Figures are sums that a loop keeps; they follow within half a minute. A document counts on "
    "the day on which it was sent or came, as it stands now. Lines of one partner, type or urgency that are "
    "neither times nor units, and partners of one unit, are kept by month: `since` and `until` are then those "
    "of the whole months.",
    fails=(400, 404),
)
async def get_report(office: Office, call: Call, query: ReportQuery) -> ReportTableOut:
    table = await _ask(office, call, query)
    question = table.question
    return ReportTableOut.from_object(
        question,
        name=question.report.key,
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


@ROUTES(
    "GET /reports/{name}/file",
    "One report of a period as a file",
    text="Text for tables, a workbook, or a PDF with the agency's heading and places for signatures.",
    media="*/*",
    fails=(400, 404),
)
async def take_report(office: Office, call: Call, query: ReportFileQuery) -> web.StreamResponse:
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
    return ScheduleOut.from_object(
        schedule,
        wish,
        format=wish.form,
        **wish.only,
        people=[*wish.people],
        programs=wish.to_programs,
        state="paused" if is_paused else "active",
        since=since,
        until=last_day,
        next_at=None
        if is_paused
        else await scheduled.next_send(office.inn, call.scope().agency_id, schedule),
        problem=schedule.problem or None,
    )


@ROUTES(
    "GET /report-schedules",
    "Reports that are sent after each period, with their next and last sending",
    text="Those of the agency, whoever made them.",
    scopes=_SCHEDULES,
)
async def list_report_schedules(office: Office, call: Call) -> Schedules:
    schedules = await scheduled.list_all(office.inn, call.scope())
    return Schedules(data=[await _schedule_view(office, call, s) for s in schedules])


@ROUTES(
    "POST /report-schedules",
    "Send a report after each day, week, month or quarter",
    text="It is sent once for each period, in the first office hour behind it, when the figures have followed. "
    "Persons get a file by mail, with the figures that they may see. With `programs` the figures are in the "
    "event `inbox.report` or `message.report`, which has one id however often a webhook is told it.",
    scopes=_SCHEDULES,
    creates=True,
    answer=ScheduleOut,
    status=201,
    fails=(400, 409),
    sample=lambda _: {"report": "incoming", "by": "month", "period": "quarter", "programs": True},
)
async def make_report_schedule(office: Office, call: Call, body: ScheduleIn) -> web.Response:
    scope = call.scope()
    wish, faults = await scheduled.complete(
        office.inn,
        office.accounts,
        scope.agency_id,
        body.into(
            ScheduleWish,
            form=body.format,
            partner=body.partner or "",
            type_name=body.type,
            urgency=body.urgency or "",
            to_programs=body.programs,
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


@ROUTES(
    "PATCH /report-schedules/{id}",
    "Pause a report schedule, or let it go on",
    text="A paused schedule sends nothing for the periods that pass; they are not made up for.",
    scopes=_SCHEDULES,
)
async def change_report_schedule(office: Office, call: Call, body: ScheduleStateIn) -> ScheduleOut:
    is_paused = body.state == "paused"
    schedule = await scheduled.set_pause(office.inn, call.scope(), call.path("id"), is_paused=is_paused)
    return await _schedule_view(office, call, schedule)


@ROUTES(
    "DELETE /report-schedules/{id}",
    "Send a report no longer",
    text="Reports that were sent stay where they are.",
    scopes=_SCHEDULES,
)
async def remove_report_schedule(office: Office, call: Call) -> ScheduleRemoved:
    await scheduled.remove(office.inn, call.scope(), call.path("id"))
    return ScheduleRemoved(id=call.path("id"))


def _report_columns(columns: Sequence[ReportColumn], lang: str) -> list[ReportColumnOut]:
    return [
        ReportColumnOut(name=column.key, title=say(f"report.column.{column.key}", lang)) for column in columns
    ]
