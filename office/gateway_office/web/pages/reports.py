"""Reports: figures of a period by day, month, type, urgency, partner or unit, beside those of the period before, with a
chart; as a file too, or printed. A person who is limited to the own unit sees that unit alone; an operator of the node sees
totals of agencies. In: a report's name and its question. Out: one page, or a file; each figure that a list can show leads
to its documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial

from aiohttp import web

from gateway.domain.agency_profile import Letterhead
from gateway.domain.document import URGENCY_KEYS, Urgency
from gateway.domain.event import EventKind
from gateway.domain.figure_cells import FigureFilter
from gateway.domain.figures import IN, NO_UNIT, OUT, READ
from gateway.domain.handling import unit_key
from gateway.domain.wall_clock import day_text
from gateway.errors import BadForm, Denied
from gateway.store.figures import list_types, list_units
from gateway_office.book import report_files, reports
from gateway_office.domain.roles import Manner, Right
from gateway_office.policy.reports import (
    BY_TIME,
    CHOICES,
    REPORTS,
    By,
    ColumnForm,
    Figure,
    Question,
    Report,
    ReportColumn,
    ReportTable,
)
from gateway_office.web import charts, routes
from gateway_office.web.addresses import merged, url_for
from gateway_office.web.dates import periods
from gateway_office.web.forms import Problems
from gateway_office.web.listing.asking import figure_address
from gateway_office.web.menu import REPORT_READERS
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.routes import Access

PATH = "/bao-cao"
MOST_LINES = 200
_MOST_BARS = 12
# Fields of the query that name the one value which a report is about; the lists call them so too.
_CHOICES = {By.UNIT: "don-vi", By.PARTNER: "co-quan", By.TYPE: "loai", By.URGENCY: "khan"}
get, *_ = routes.sharing(access=Access.READY, needs=REPORT_READERS, key="reports")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What the person may ask for: the agencies, and the own units alone where `units` is not None."""

    agencies: Sequence[str]
    reports: tuple[Report, ...]
    units: tuple[str, ...] | None = None
    of_node: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownFigure:
    text: str
    path: str = ""


async def show_report(request: PageRequest) -> web.StreamResponse:
    sight = await _sight(request)
    question, problems = await _read_question(request, sight)
    table = await reports.make(request.deps.store, sight.agencies, question, request.today)
    lines = table.lines[:MOST_LINES]
    names = await _names(request, question, [line.key for line in lines])
    query = merged(dict(request.http.query), told=None)
    issuer = await _issuer(request, sight)
    return await request.page(
        "reports/page.html",
        title=request.say("menu.reports"),
        problems=problems,
        question=question,
        reports=sight.reports,
        of_node=sight.of_node,
        heading=reports.heading_of(question, issuer.agency, request.lang),
        emblem=issuer.emblem,
        owner=" – ".join((issuer.agency, *reports.unit_names(question))),
        titles=reports.titles(question, request.lang),
        lines=[
            (
                reports.label(question.by, line.key, request.lang, names),
                _cells(request, table, line.key, line.figures),
                _narrower_path(question, sight, line.key),
            )
            for line in lines
        ],
        also=_also(request, table.also) if table.also is not None else None,
        left_out=len(table.lines) - len(lines),
        total=_cells(request, table, None, table.total),
        before=[ShownFigure(text=reports.figure_text(value, request.lang)) for value in table.before],
        before_title=reports.before_text(question, request.lang),
        change=reports.change_texts(table, request.lang),
        chart=_line_chart(request, table),
        bars=_bars(table, names, request.lang) if question.by not in BY_TIME else (),
        **await _choices(request, sight, question),
        files={
            form: url_for(f"{PATH}/{question.report.key}/tep/{form}", **query)
            for form in ("xlsx", "csv", "pdf")
        },
        outputs=_outputs(request, sight),
        today=day_text(request.today),
    )


async def send_file(request: PageRequest) -> web.StreamResponse:
    sight = await _sight(request)
    question, problems = await _read_question(request, sight)
    if problems:
        return await show_report(request)
    form, deps = request.path("form"), request.deps
    table = await reports.make(deps.store, sight.agencies, question, request.today)
    names = await _names(request, question, [line.key for line in table.lines])
    issuer = await _issuer(request, sight)
    with deps.blobs.scratch() as scratch:
        await report_files.write(
            deps.pool, scratch.file, form, table, names, issuer, request.today, request.lang
        )
        return await request.send_scratch_file(scratch.file, reports.file_name(question, form), form)


async def _sight(request: PageRequest) -> Sight:
    """Return what the person may see: of the own agency all or the own units, of the node totals."""
    of_agency = tuple(report for report in REPORTS.values() if not (report.of_node or report.of_accounts))
    of_accounts = tuple(report for report in REPORTS.values() if report.of_accounts)
    if request.agency is not None and request.may(Right.REPORTS, Manner.YES):
        return Sight(agencies=(request.agency.id,), reports=of_agency)
    if request.agency is not None and request.may(Right.REPORTS, Manner.OWN):
        share = request.share_of(Right.REPORTS)
        async with request.deps.store.reading() as tx:
            units = await list_units(tx, request.agency.id)
        mine = tuple(unit for unit in units if unit_key(unit) in share.units | share.leading)
        return Sight(agencies=(request.agency.id,), reports=of_agency, units=mine or (reports.NO_UNIT_YET,))
    if request.agency is None or request.may(Right.REPORTS, Manner.TOTALS):
        agencies = reports.agencies_below(await request.deps.store.hosted(), request.ask("duoi"))
        of_node = tuple(report for report in REPORTS.values() if report.of_node)
        return Sight(agencies=agencies, reports=(*of_node, *of_accounts), of_node=True)
    if request.may(Right.REPORTS, Manner.ACCOUNTS):
        return Sight(agencies=(request.agency.id,), reports=of_accounts)
    raise Denied("this person sees no reports here", code="GW-RIGHT")


async def _read_question(request: PageRequest, sight: Sight) -> tuple[Question, Problems]:
    # The address of a report that the person does not have, as from a colleague, leads to the first one.
    key = request.http.match_info.get("report", "")
    report = next((report for report in sight.reports if report.key == key), sight.reports[0])
    (since, last_day), problems = request.query_days("tu", "den")
    today = request.today
    only = {by.value: request.ask(field) for by, field in _CHOICES.items() if by in report.lines}
    if sight.units is not None:
        # Of the own units; one of them alone where it is chosen.
        only = {By.UNIT.value: request.ask("don-vi") if request.ask("don-vi") in sight.units else ""}
    chosen = [name for name, value in only.items() if value]
    if chosen[1:]:
        problems = [*problems, (_CHOICES[By(chosen[1])], request.say("report.one_choice"))]
        only = {chosen[0]: only[chosen[0]]}
    ask = partial(
        reports.ask,
        report,
        by=request.ask("theo") or (By.AGENCY if sight.of_node else ""),
        since=since or (last_day or today).replace(day=1),
        until=last_day or today,
    )
    try:
        return ask(units=() if chosen else sight.units or (), only=only), problems
    except BadForm as error:
        problems = [*problems, (_CHOICES[By(error.field)], request.say("report.schedule.fault.unknown"))]
        return ask(units=sight.units or ()), problems


def _only(question: Question) -> dict[str, str]:
    """Return the query's field and value of the one unit, partner, type or urgency that the report is about."""
    if question.choice is not None:
        return {_CHOICES[question.choice.by]: question.choice.value}
    return {_CHOICES[By.UNIT]: question.units[0]} if len(question.units) == 1 else {}


async def _choices(request: PageRequest, sight: Sight, question: Question) -> Mapping[str, object]:
    """Return what the form and its links offer, and what is chosen of it."""
    report, only = question.report, _only(question)
    lines = [by for by in question.lines if sight.of_node or by is not By.AGENCY]
    of_agency = report.lines if sight.units is None else ()
    types: Sequence[str] = ()
    if By.TYPE in of_agency:
        async with request.deps.store.reading() as tx:
            types = await list_types(tx, sight.agencies[0])
    urgencies = URGENCY_KEYS.values() if By.URGENCY in of_agency else ()
    address = partial(url_for, f"{PATH}/{report.key}", theo=question.by.value, **only)
    return {
        "lines_by": [(by.value, request.say(f"report.by.{by}")) for by in lines],
        "units": await _units(request, sight, report),
        "types": [(name, name) for name in types],
        "urgencies": [(word, request.say(f"urgency.{word}")) for word in urgencies],
        "asks_partner": By.PARTNER in of_agency,
        "only": only,
        "periods": [
            (key, address(**_days(*days)), days == [question.since, question.until])
            for key, *days in periods(request.today)
        ],
    }


async def _units(request: PageRequest, sight: Sight, report: Report) -> Sequence[tuple[str, str]]:
    """List the units to choose from, with the whole first; none where there is nothing to choose."""
    if sight.of_node or report.of_accounts:
        return ()
    names: Sequence[str] = sight.units or ()
    if sight.units is None:
        async with request.deps.store.reading() as tx:
            names = [unit for unit in await list_units(tx, sight.agencies[0]) if unit != NO_UNIT]
    choices = [(unit, unit) for unit in names]
    return (
        (("", request.say("report.unit.all")), *choices) if len(choices) > (sight.units is not None) else ()
    )


async def _names(request: PageRequest, question: Question, keys: Sequence[str]) -> Mapping[str, str]:
    deps = request.deps
    return await reports.names_of(deps.inn, deps.accounts, question, keys, request.today, request.lang)


async def _issuer(request: PageRequest, sight: Sight) -> Letterhead:
    if sight.of_node or request.agency is None:
        return Letterhead(agency=request.ask("duoi") or request.say("report.node"))
    return await request.deps.store.accounts.letterhead(request.agency.id)


# --- figures that lead to their documents ---------------------------------------------------------------------------


def _cells(
    request: PageRequest, table: ReportTable, key: str | None, figures: Sequence[Figure]
) -> list[ShownFigure]:
    question = table.question
    reads_log = question.report.side == READ and request.may(Right.AUDIT, Manner.YES)
    reads_lists = request.may(Right.SEE_CONTENT, Manner.YES)
    path_of = _journal_path if reads_log else list_path if reads_lists else None
    return [
        ShownFigure(
            text=reports.figure_text(value, request.lang),
            path=path_of(question, column, key) if value and path_of is not None else "",
        )
        for column, value in zip(question.columns, figures, strict=True)
    ]


def _journal_path(question: Question, column: ReportColumn, key: str | None) -> str:
    """Return the lines of the log behind a number of readings; empty where its filter does not know them."""
    since, last_day, words = question.since, question.until, dict[str, str]()
    if key and question.by in BY_TIME:
        since, last_day = _days_of(question.by, key, question)
    elif key and question.by is By.PERSON:
        words["nguoi"] = key
    elif key:
        return ""
    if column.key != "reads" or question.units:
        return ""
    return url_for("/nhat-ky", loai=EventKind.DOCUMENT_READ.value, **words, **_days(since, last_day))


def _narrower_path(question: Question, sight: Sight, key: str) -> str:
    """Return the report of one line alone; empty where there is none."""
    field = _CHOICES.get(question.by)
    if field is None or key in ("", NO_UNIT) or question.narrowed_by or sight.units is not None:
        return ""
    lines = [by for by in question.report.lines_of(question.by) if by not in (*BY_TIME, question.by)]
    value = URGENCY_KEYS[Urgency(int(key))] if question.by is By.URGENCY else key
    days = _days(question.since, question.until)
    return url_for(f"{PATH}/{question.report.key}", theo=lines[0].value, **days, **{field: value})


def _also(request: PageRequest, table: ReportTable) -> Mapping[str, object]:
    """Return the second table, whose lines need no names."""
    by, lang = table.question.by, request.lang
    return {
        "titles": reports.titles(table.question, lang),
        "lines": [
            (reports.label(by, line.key, lang, {}), _cells(request, table, line.key, line.figures))
            for line in table.lines
        ],
        "total": _cells(request, table, None, table.total),
    }


def list_path(question: Question, column: ReportColumn, key: str | None) -> str:
    """Return the list of the documents that a figure counts; empty where a list cannot show exactly these. `key` is None
    for the total."""
    side, by = question.report.side, question.by
    # The total of partners, persons or reasons is only of the documents that have one.
    is_partial = by in (By.PERSON, By.REASON) or (by is By.PARTNER and key is None)
    if column.form is not ColumnForm.COUNT or question.units or is_partial or side not in (IN, OUT):
        return ""
    since, end = question.since, question.until
    values = (
        {} if question.choice is None else {question.choice.by.dimension: reports.key_of(question.choice)}
    )
    if key is not None and by in BY_TIME:
        since, end = _days_of(by, key, question)
    elif key is not None and key and by in CHOICES:
        values[by.dimension] = key
    elif key is not None:
        return ""
    return figure_address(
        FigureFilter(
            side=side, measure=column.measure, since=since, until=end, values=tuple(sorted(values.items()))
        )
    )


def _days(since: date, last_day: date) -> dict[str, str]:
    return {"tu": day_text(since), "den": day_text(last_day)}


def _days_of(by: By, key: str, question: Question) -> tuple[date, date]:
    if by is By.DAY:
        return date.fromisoformat(key), date.fromisoformat(key)
    months = 1 if by is By.MONTH else 3
    first = date(int(key[:4]), int(key[5:]) if by is By.MONTH else 3 * int(key[-1]) - 2, 1)
    end = first.month + months
    last = date(first.year + (end > 12), (end - 1) % 12 + 1, 1) - timedelta(days=1)
    return max(first, question.since), min(last, question.until)


# --- charts and ways ------------------------------------------------------------------------------------------------


def _line_chart(request: PageRequest, table: ReportTable) -> charts.Lines | None:
    """Draw the report's columns over time; a day without documents is a zero."""
    question = table.question
    if question.by not in BY_TIME or not table.lines:
        return None
    by_key = {line.key: line.figures for line in table.lines}
    keys = list(by_key)
    if question.by is By.DAY:
        days = (min(question.until, request.today) - question.since).days + 1
        keys = [(question.since + timedelta(days=n)).isoformat() for n in range(days)]
    series = {}
    for n, column in enumerate(question.columns):
        if column.key in question.report.drawn:
            series[column.key] = [float(by_key[key][n] or 0) if key in by_key else 0.0 for key in keys]
    texts = [reports.label(question.by, key, request.lang, {}).removesuffix(f"/{key[:4]}") for key in keys]
    return charts.lines(texts, series)


def _bars(table: ReportTable, names: Mapping[str, str], lang: str) -> Sequence[charts.Bar]:
    by = table.question.by
    values = [
        (reports.label(by, line.key, lang, names), int(line.figures[0] or 0), float(line.figures[0] or 0))
        for line in table.lines[:_MOST_BARS]
    ]
    return charts.bars(values)


def _outputs(request: PageRequest, sight: Sight) -> Sequence[tuple[str, str]]:
    """List the outputs of decree 30/2020 that the person may open here: key of the words, and address."""
    if sight.of_node or sight.reports[0].of_accounts:
        return ()
    books = request.may(Right.SEE_CONTENT, Manner.YES)
    registers = (("register_in", "/so-van-ban?so=incoming"), ("register_out", "/so-van-ban?so=outgoing"))
    files = (("files", "/so-van-ban/ho-so"),)
    handling = (("handling_in", f"{PATH}/incoming"), ("handling_out", f"{PATH}/outgoing"))
    year = {"tu": f"01/01/{request.today.year}", "den": f"31/12/{request.today.year}"}
    review = ("review", url_for(f"{PATH}/paper", theo="type", **year))
    return (*(registers if books else ()), *handling, *(files if books else ()), review)


ROUTES = (
    get(PATH, "reports", show_report),
    get(f"{PATH}/{{report}}", "report", show_report),
    get(f"{PATH}/{{report}}/tep/{{form:xlsx|csv|pdf}}", "report_file", send_file),
)
