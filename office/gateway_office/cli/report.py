"""`gateway report`: reports over the figures of documents. In: a report's name, a period, and what its lines are; how often
and to which people one is sent. Out: the report as a table, as JSON, or as a file; those of the whole node are for its
operator; the schedules with their next and last sending."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import output
from gateway.cli.command import Invocation, OutputFormat, noun
from gateway.domain.agency_profile import Letterhead
from gateway.domain.wall_clock import local
from gateway_office.book import report_files, reports, scheduled
from gateway_office.cli import OfficeCommandContext, whole_file
from gateway_office.cli.book import day

if TYPE_CHECKING:
    from gateway_office.policy.report_schedules import ReportSchedule
    from gateway_office.policy.reports import Question, ReportTable

Name = Annotated[str, typer.Argument(help="Name of the report: see `gateway report list`.")]
Since = Annotated[str | None, typer.Option("--from", help="First day: 2026-11-01 or 01/11/2026.")]
LastDay = Annotated[str | None, typer.Option("--to", help="Last day. Default: today.")]
Lines = Annotated[str, typer.Option("--by", help="What the lines are, such as month, type or unit.")]
Unit = Annotated[str, typer.Option(help="One unit of the agency.")]
Partner = Annotated[str, typer.Option(help="Code of one partner.")]
Type = Annotated[str, typer.Option("--type", help="Name of one type of documents.")]
Urgency = Annotated[str, typer.Option("--urgency", help="One urgency, such as khan or hoa_toc.")]
Under = Annotated[str, typer.Option(help="Only agencies at or below this code, in a report of the node.")]
ScheduleId = Annotated[str, typer.Argument(help="Id of the schedule (rsc_…), from: gateway report schedules")]
verb = noun("report").verb


class Period(StrEnum):
    """Periods after which a report is sent."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"


class FileKind(StrEnum):
    """Formats of a file that `export` writes."""

    XLSX = "xlsx"
    CSV = "csv"
    PDF = "pdf"


@verb("", "-o json", name="list")
async def list_all(call: Invocation) -> None:
    """List the reports, and what the lines of each may be."""
    from gateway_office.policy.reports import REPORTS

    records = [
        {
            "id": report.key,
            "report": report.key,
            "title": call.word(f"report.{report.key}"),
            "lines": ", ".join(report.lines),
        }
        for report in REPORTS.values()
    ]
    output.rows(call, records, output.columns("report title lines"))


@verb(
    "incoming --by month --from 01/01/2026",
    "incoming --by type --partner Z91.02",
    "deadlines --by unit -o json",
)
async def show(
    call: Invocation,
    context: OfficeCommandContext,
    name: Name,
    since: Since = None,
    last_day: LastDay = None,
    by: Lines = "",
    unit: Unit = "",
    partner: Partner = "",
    type_name: Type = "",
    urgency: Urgency = "",
    under: Under = "",
) -> None:
    """Show a report of a period, with the totals of the period before."""
    only = {"unit": unit, "partner": partner, "type": type_name, "urgency": urgency}
    question, agencies = await _ask(context, name, since, last_day, by, under, only)
    table = await reports.make(context.node.store, agencies, question, _today(context))
    lang, names = call.lang.value, await _names(call, context, table)
    keys = [column.key for column in question.columns]
    cells = [
        [
            reports.label(question.by, line.key, lang, names),
            *(reports.figure_text(v, lang) for v in line.figures),
        ]
        for line in table.lines
    ]
    cells += [
        [title, *(reports.figure_text(value, lang) for value in figures)]
        for title, figures in (
            (call.word("report.total"), table.total),
            (reports.before_text(question, lang), table.before),
        )
    ]
    records = [{"id": line.key, **table.by_column(line.figures)} for line in table.lines]
    is_table = call.output is OutputFormat.TABLE and not call.quiet
    output.rows(
        call,
        # People also see the total and that of the period before; programs have them beside the lines.
        [*records, {}, {}] if is_table else records,
        [output.Column(f"report.by.{question.by}"), *(output.Column(f"report.column.{key}") for key in keys)],
        cells,
        extra={"total": table.by_column(table.total), "before": table.by_column(table.before)},
    )


@verb("incoming bao-cao.xlsx --by month --from 01/01/2026", "deadlines han.pdf --by unit", local=True)
async def export(
    call: Invocation,
    context: OfficeCommandContext,
    name: Name,
    file: Annotated[Path, typer.Argument(help="The file to write; an existing file is not overwritten.")],
    kind: Annotated[FileKind | None, typer.Option("--format", help="Default: by the file's ending.")] = None,
    since: Since = None,
    last_day: LastDay = None,
    by: Lines = "",
    unit: Unit = "",
    partner: Partner = "",
    type_name: Type = "",
    urgency: Urgency = "",
    under: Under = "",
) -> None:
    """Write a report to a file: a workbook, text for tables, or a PDF to be signed."""
    ending = file.suffix.lstrip(".").lower()
    if kind is None and ending not in {*FileKind}:
        raise typer.BadParameter(f"{file.name!r} ends in none of .xlsx, .csv, .pdf; add --format")
    only = {"unit": unit, "partner": partner, "type": type_name, "urgency": urgency}
    question, agencies = await _ask(context, name, since, last_day, by, under, only)
    table = await reports.make(context.node.store, agencies, question, _today(context))
    lang, names = call.lang.value, await _names(call, context, table)
    issuer = await context.node.store.accounts.letterhead(context.agency.id)
    if question.report.of_node:
        issuer = Letterhead(agency=under or call.word("report.node"))
    form, today = kind or FileKind(ending), _today(context)
    with whole_file(file) as out:
        await report_files.write(context.node.pool, out, form, table, names, issuer, today, lang)
    output.record(call, {"id": str(file), "lines": len(table.lines)})


@verb("", "-o json")
async def schedules(call: Invocation, context: OfficeCommandContext) -> None:
    """List the reports that are sent after each period, with their next and last sending."""
    inn, cells, records = context.node.inn, [], []
    for schedule in await scheduled.list_all(inn, context.scope, of_node=None):
        records.append(_schedule_record(schedule))
        at = await scheduled.next_send(inn, context.agency.id, schedule)
        problem = schedule.problem and call.word(f"report.problem.{schedule.problem}")
        cells.append(
            [
                schedule.id,
                call.word(f"report.{schedule.wish.report}"),
                call.word(f"report.schedule.period.{schedule.wish.period}"),
                call.word("report.schedule.paused") if schedule.paused_at else output.clock(at),
                output.clock(schedule.sent_at),
                problem,
            ]
        )
    labels = ("report", "period", "next", "last")
    columns = [output.Column("cli.column.id"), *(output.Column(f"report.schedule.{key}") for key in labels)]
    output.rows(call, records, [*columns, output.Column("cli.column.detail")], cells)


@verb(
    "incoming --period week --to van.thu --to lanh.dao",
    "deadlines --period quarter --by unit --programs",
    "agencies --period month --to van.hanh",
    writes=True,
)
async def schedule(
    call: Invocation,
    context: OfficeCommandContext,
    name: Name,
    period: Annotated[Period, typer.Option(help="How often it is sent.")],
    to: Annotated[
        list[str] | None, typer.Option(help="Sign-in name of a person who gets the file by mail (repeat).")
    ] = None,
    programs: Annotated[
        bool, typer.Option("--programs", help="Put the figures into an event, for webhooks and the feed.")
    ] = False,
    kind: Annotated[FileKind, typer.Option("--format", help="Format of the file.")] = FileKind.PDF,
    by: Lines = "",
    unit: Unit = "",
    partner: Partner = "",
    type_name: Type = "",
    urgency: Urgency = "",
    webhook: Annotated[str, typer.Option(help="Id of the one webhook that is told.")] = "",
    under: Under = "",
) -> None:
    """Send a report after each period, once, in the first office hour behind it. One of the node goes to its operators."""
    from gateway_office.policy.report_schedules import PeriodKind, ScheduleWish

    wish = ScheduleWish(
        report=reports.report_named(name).key,
        by=by,
        period=PeriodKind(period.value),
        form=kind.value,
        unit=unit,
        partner=partner,
        type_name=type_name,
        urgency=urgency,
        people=tuple(to or ()),
        to_programs=programs,
        webhook=webhook,
        of_node=reports.report_named(name).of_node or by == "agency",
        under=under,
    )
    wish, faults = await scheduled.complete(context.node.inn, context.node.accounts, context.agency.id, wish)
    if faults:
        texts = (f"{field}: {call.word(f'report.schedule.fault.{fault}')}" for field, fault in faults)
        raise typer.BadParameter("; ".join(texts))
    call.ask("report.ask.schedule", report=call.word(f"report.{wish.report}"))
    output.record(call, _schedule_record(await scheduled.add(context.node.inn, context.scope, wish)))


@verb("rsc_01K", writes=True)
async def pause(call: Invocation, context: OfficeCommandContext, schedule_id: ScheduleId) -> None:
    """Send a scheduled report no longer, until it is resumed."""
    await _set_pause(call, context, schedule_id, is_paused=True)


@verb("rsc_01K", writes=True)
async def resume(call: Invocation, context: OfficeCommandContext, schedule_id: ScheduleId) -> None:
    """Send a paused report again, beginning with the present period."""
    await _set_pause(call, context, schedule_id, is_paused=False)


async def _set_pause(call: Invocation, context: OfficeCommandContext, id: str, *, is_paused: bool) -> None:
    call.ask(f"report.ask.{'pause' if is_paused else 'resume'}", id=id)
    changed = await scheduled.set_pause(
        context.node.inn, context.scope, id, is_paused=is_paused, of_node=None
    )
    output.record(call, _schedule_record(changed))


@verb("rsc_01K", writes=True)
async def remove(call: Invocation, context: OfficeCommandContext, schedule_id: ScheduleId) -> None:
    """Remove a report schedule; what was sent stays."""
    call.ask("report.ask.remove", id=schedule_id)
    await scheduled.remove(context.node.inn, context.scope, schedule_id, of_node=None)
    output.record(call, {"id": schedule_id})


def _schedule_record(schedule: ReportSchedule) -> dict[str, Any]:
    return {
        "id": schedule.id,
        **output.fields(schedule.wish, "report by period format=form"),
        **schedule.wish.only,
        **output.fields(schedule.wish, "people programs=to_programs webhook under"),
        "state": "paused" if schedule.paused_at else "active",
        **dict(zip(("since", "until"), schedule.span, strict=True)),
        "sent_at": schedule.sent_at,
        "problem": schedule.problem or None,
    }


async def _ask(
    context: OfficeCommandContext,
    name: str,
    since: str | None,
    last_day: str | None,
    by: str,
    under: str,
    only: Mapping[str, str],
) -> tuple[Question, Sequence[str]]:
    """Return the question, and the agencies that it is about."""
    report, today = reports.report_named(name), _today(context)
    end = day(last_day) if last_day else today
    question = reports.ask(
        report,
        by=by,
        since=day(since) if since else end.replace(day=1),
        until=end,
        only=only,
    )
    if not report.of_node and question.by != "agency":
        return question, [context.agency.id]
    return question, reports.agencies_below(await context.node.store.hosted(), under)


async def _names(call: Invocation, context: OfficeCommandContext, table: ReportTable) -> Mapping[str, str]:
    keys, node = [line.key for line in table.lines], context.node
    return await reports.names_of(
        node.inn, node.accounts, table.question, keys, _today(context), call.lang.value
    )


def _today(context: OfficeCommandContext) -> date:
    return local(context.node.clock.now()).date()
