"""Serves reports over the figures of a period to programs: as JSON, or as a file. In: a call, a report's name, a span of
days. Out: lines with their figures and the totals of the period before; or a file that is complete before its first byte is
sent."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, Literal

from aiohttp import web
from pydantic import Field

from gateway.api import downloads
from gateway.api.call import Call, download
from gateway.api.problems import bad_value
from gateway.api.routes import BASE, Route
from gateway.api.shapes import RequestModel, ResponseModel
from gateway.domain.account import ApiScope
from gateway.domain.wall_clock import local
from gateway.errors import NotFound
from gateway.office.book import reports
from gateway.office.policy.reports import REPORTS, Figure, ReportColumn, ReportTable
from gateway.words.labels import say

if TYPE_CHECKING:
    from gateway.office.bootstrap.office import Office

_MEDIA: Mapping[str, str] = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pdf": "application/pdf",
}


class SpanQuery(RequestModel):
    """Days of one year."""

    since: dt.date | None = Field(
        None, alias="from", description="First day; the first of its year where absent"
    )
    until: dt.date | None = Field(None, alias="to", description="Last day; today where absent")


class ReportQuery(SpanQuery):
    """Which report: its period may begin in another year."""

    by: str = Field("", description="What its lines are; one of its `lines`, the first where absent")
    unit: str = Field("", description="One unit of the agency; the whole agency where absent")
    partner: str = Field("", description="Code of one partner; then `by` is a time")


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
    until = query.until or today
    units = (query.unit,) if query.unit else ()
    since = query.since or until.replace(day=1)
    asked = reports.ask(report, by=query.by, since=since, until=until, units=units, partner=query.partner)
    if (query.by and query.by != asked.by) or since > until:
        raise bad_value("?by" if query.by != asked.by else "?to", ", ".join(report.lines))
    return await reports.make(office.store, [call.scope().agency_id], asked, today)


async def _report(office: Office, call: Call) -> web.Response:
    table = await _ask(office, call, call.query_of(ReportQuery))
    asked = table.question
    names = [column.key for column in asked.columns]

    def by_column(figures: Sequence[Figure]) -> dict[str, Figure]:
        return dict(zip(names, figures, strict=True))

    return call.tell(
        ReportTableOut(
            name=asked.report.key,
            by=asked.by,
            since=asked.since,
            until=asked.until,
            columns=_report_columns(asked.columns, call.lang),
            data=[
                ReportLineOut(
                    key=line.key,
                    title=reports.label(asked.by, line.key, call.lang, {}),
                    figures=by_column(line.figures),
                )
                for line in table.lines
            ],
            total=by_column(table.total),
            before=by_column(table.before),
        )
    )


async def _report_file(office: Office, call: Call) -> web.StreamResponse:
    query = call.query_of(ReportFileQuery)
    table = await _ask(office, call, query)
    async with office.store.read(call.scope()) as work:
        agency = await work.agency()
    issuer = reports.Issuer(name=agency.name, parent=agency.parent_name or "")
    today = local(office.clock.now()).date()
    keys = [line.key for line in table.lines]
    names = await reports.names_of(office.inn, office.accounts, table.question, keys, today, call.lang)

    async def write(out: BinaryIO) -> None:
        await reports.write(office.pool, out, query.format, table, names, issuer, today, call.lang)

    return await written_file(call, reports.file_name(table.question, query.format), write)


async def written_file(
    call: Call, name: str, write: Callable[[BinaryIO], Awaitable[None]]
) -> web.StreamResponse:
    """Send a file that is written to a scratch file first, so that a failure is answered as one. HEAD writes nothing."""
    media = _MEDIA[name.rpartition(".")[2]]
    if call.request.method == "HEAD":
        return web.Response(content_type=media, headers={"Content-Disposition": downloads.disposition(name)})
    pool = call.deps.pool
    with call.deps.blobs.scratch() as scratch:
        await write(scratch.file)
        size = await pool.run(scratch.file.tell)
        await pool.run(partial(scratch.file.seek, 0))
        return await download(
            call,
            name=name,
            content_type=media,
            size=size,
            sha256=None,
            pieces=downloads.read(pool, scratch.file),
        )


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
            "the day on which it was sent or came, as it stands now.",
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
    )
