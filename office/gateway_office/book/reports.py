"""Reports over the figures that are kept: a page, a call and a command ask the same question, and get one table. In: the
store, the agencies that the caller may see, a question. Out: lines with their figures and words. Documents are never read,
only sums by day and month."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from types import MappingProxyType

from gateway.domain.account import HostedAgency
from gateway.domain.document import URGENCY_KEYS, Urgency
from gateway.domain.figures import IN, NO_UNIT, OUT, READ
from gateway.domain.wall_clock import day_text
from gateway.errors import BadForm, NotFound
from gateway.store.figures import CellQuery, Group, Sums, sum_all
from gateway.store.store import SqlStore
from gateway.words import labels
from gateway_office.book import account_figures
from gateway_office.policy.reports import (
    BY_TIME,
    KNOWS_OVERDUE,
    REPORTS,
    By,
    Choice,
    ColumnForm,
    Figure,
    Question,
    Report,
    ReportTable,
    in_whole_months,
    make_table,
    measures_of,
    usual_line,
)
from gateway_office.services import AccountServices, OfficeIncomingServices

_GROUPS = {By.UNIT: Group.UNIT, By.AGENCY: Group.AGENCY, **dict.fromkeys(BY_TIME, Group.DAY)}
_URGENCIES = {word: str(int(urgency)) for urgency, word in URGENCY_KEYS.items()}
Names = Mapping[str, str]
"""Names of partners, persons and agencies, by code or id."""
NO_UNIT_YET = "·"
"""Unit that has no figures, for a person whose own units have none yet: no unit at all would be the whole agency."""


def report_named(key: str) -> Report:
    """Return a report; NotFound names those that there are."""
    if key not in REPORTS:
        raise NotFound(f"there is no report {key!r}; it is one of {', '.join(REPORTS)}")
    return REPORTS[key]


def ask(
    report: Report,
    *,
    by: str = "",
    since: date,
    until: date,
    units: Sequence[str] = (),
    only: Mapping[str, str] = MappingProxyType({}),
) -> Question:
    """Make a question; `only` names the one unit, partner, type or urgency that it is about. Where the report does not know
    such lines of it, its usual ones stand in their place; where they are kept by month, the period is widened to whole
    months. BadForm for two at once, and for one that the report does not know."""
    choices = [Choice(By(name), value) for name, value in only.items() if value]
    choice = choices[0] if choices else None
    if len(choices) + bool(units) > 1:
        raise BadForm("a report is about one unit, partner, type or urgency", field=choices[-1].by.value)
    if choice is not None and choice.by is By.UNIT:
        units, choice = (choice.value,), None
    narrowed_by = choice.by if choice is not None else By.UNIT if units else None
    lines = report.lines_of(narrowed_by)
    if choice is not None and (not lines or (choice.by is By.URGENCY and choice.value not in _URGENCIES)):
        raise BadForm(f"the report {report.key} has no such {choice.by}", field=choice.by.value)
    question = Question(
        report=report,
        by=By(by) if by in {*lines} else usual_line(lines, narrowed_by),
        since=min(since, until),
        until=max(since, until),
        units=tuple(units),
        choice=choice,
    )
    return question if question.pair is None else in_whole_months(question)


def agencies_below(hosted: Sequence[HostedAgency], code: str) -> list[str]:
    """Return the ids of the agencies of the code's subtree; of all without a code. Codes are built from their parent's."""
    under = code.strip().upper()
    codes = {agency.id: agency.code.upper() for agency in hosted}
    return [id for id, own in codes.items() if not under or own == under or own.startswith(f"{under}.")]


async def make(store: SqlStore, agencies: Sequence[str], question: Question, today: date) -> ReportTable:
    """Answer the question for these agencies."""
    if question.report.of_accounts:
        return await account_figures.make(store, agencies, question, today)
    earlier = replace(question, since=question.before[0], until=question.before[1])
    queries = [*_queries(question, agencies, today), *_queries(earlier, agencies, today, Group.AGENCY)]
    answers = await sum_all(store, [(query, group) for query, group, _ in queries])
    half = len(queries) // 2
    prefixes = [prefix for *_, prefix in queries]
    sums = _merge(zip(prefixes[:half], answers[:half], strict=True), question)
    sums_before = _merge(zip(prefixes[half:], answers[half:], strict=True), None)
    table = make_table(question, sums, sums_before)
    if question.also is None:
        return table
    return replace(table, also=await make(store, agencies, question.also, today))


def _queries(
    question: Question, agencies: Sequence[str], today: date, group: Group | None = None
) -> list[tuple[CellQuery, Group, str]]:
    """List the queries of a question, each with the group of its lines and a prefix for its measures."""
    report, by = question.report, question.by
    choice, pair = question.choice, question.pair
    unit: Sequence[str] | None = question.units or ("",)
    if by is By.UNIT and not question.units:
        unit = None
    key = key_of(choice) if choice is not None else None
    if pair is not None and key is not None:
        unit, key = (key,), None
    query = CellQuery(
        agencies=agencies,
        side=report.side,
        dimension=pair or (choice.by if choice is not None else by).dimension,
        since=question.since,
        until=question.until,
        measures=(),
        unit=unit,
        key=key,
        by_days=by is By.DAY,
    )
    lines = group or (Group.KEY if pair is not None else _GROUPS.get(by, Group.KEY))
    queries = []
    for side in (report.side,) if report.side else (OUT, IN, READ):
        prefix = "" if report.side else f"{side}."
        measures = measures_of(question, side if not report.side else "")
        queries.append((replace(query, side=side, measures=measures), lines, prefix))
    for column in question.columns:
        if column.form is ColumnForm.OVERDUE and choice is None:
            of_due = replace(query, dimension=report.due, key=None, before=today, measures=(column.measure,))
            knows_lines = group is None and by in KNOWS_OVERDUE
            queries.append((of_due, lines if knows_lines else Group.AGENCY, "overdue"))
    return queries


def key_of(choice: Choice) -> str:
    """Return the value of a choice as cells have it: an urgency by its number."""
    return _URGENCIES[choice.value] if choice.by is By.URGENCY else choice.value


def _merge(answers: Iterable[tuple[str, Sums]], question: Question | None) -> Sums:
    """Merge answers of several queries, and days of a month or quarter, into one set of sums by line."""
    merged: Sums = {}
    for prefix, sums in answers:
        is_total = prefix == "overdue" and (question is None or question.by not in KNOWS_OVERDUE)
        for key, measures in sums.items():
            line = "" if is_total or question is None else _line_key(question.by, key)
            into = merged.setdefault(line, {})
            for name, n in measures.items():
                known_as = "overdue" if prefix == "overdue" else f"{prefix}{name}"
                into[known_as] = into.get(known_as, 0) + n
    return merged


def _line_key(by: By, key: str) -> str:
    if by is By.MONTH:
        return key[:7]
    if by is By.QUARTER:
        return f"{key[:4]}-Q{(int(key[5:7]) + 2) // 3}"
    return key


async def names_of(
    inn: OfficeIncomingServices,
    accounts: AccountServices,
    question: Question,
    keys: Sequence[str],
    today: date,
    lang: str,
) -> Names:
    """Find the names of lines that are partners, persons or agencies."""
    names: dict[str, str] = {}
    if question.by is By.PARTNER:
        for code in sorted({*keys} - {""}):
            if (entry := await inn.directory.find(code, today)) is not None:
                names[code] = entry.name
    elif question.by is By.PERSON:
        async with accounts.accounts.read() as view:
            people = {person.id: person.name for person in await view.people.all()}
        for id in keys:
            kind = id if id == "node" else "program"
            names[id] = people.get(id) or labels.say(f"journal.principal.{kind}", lang)
    elif question.by is By.AGENCY:
        names = {agency.id: f"{agency.name} ({agency.code})" for agency in await inn.store.hosted()}
    return names


# --- words ----------------------------------------------------------------------------------------------------------


def label(by: By, key: str, lang: str, names: Names) -> str:
    """Name a line for people."""
    if by is By.DAY:
        return day_text(date.fromisoformat(key))
    if by is By.MONTH:
        return f"{key[5:]}/{key[:4]}"
    if by is By.QUARTER:
        return labels.say("report.quarter", lang, quarter=key[-1], year=key[:4])
    if by is By.URGENCY:
        return labels.say(f"urgency.{URGENCY_KEYS[Urgency(int(key))]}", lang)
    if by is By.REASON:
        return labels.say(f"report.reason.{key}", lang)
    if by is By.UNIT and key == NO_UNIT:
        return labels.say("report.no_unit", lang)
    if by is By.ROLE:
        return labels.say_or(f"post.{key}", key, lang)
    if by is By.TYPE and not key:
        return labels.say("report.no_type", lang)
    return names.get(key, key)


def figure_text(value: Figure, lang: str) -> str:
    """Write a figure for people: with the separators of the language, a dash for an unknown one."""
    if value is None:
        return "–"
    text = f"{value:,}"
    return text.translate(str.maketrans(",.", ".,")) if lang == "vi" else text


def titles(question: Question, lang: str) -> list[str]:
    """Return the titles of all columns: of the lines, and of the figures."""
    return [
        labels.say(f"report.by.{question.by}", lang),
        *(labels.say(f"report.column.{column.key}", lang) for column in question.columns),
    ]


def unit_names(question: Question) -> list[str]:
    return [unit for unit in question.units if unit != NO_UNIT_YET]


def choice_text(question: Question, lang: str) -> str:
    """Say the one partner, type or urgency that a report is about; empty for all."""
    if (choice := question.choice) is None:
        return ""
    name = label(choice.by, key_of(choice), lang, {})
    return labels.say(f"report.of.{choice.by}", lang, name=name)


def change_texts(table: ReportTable, lang: str) -> list[str]:
    """Return by how much each total has changed since the period before, in percent."""
    texts = []
    for now, earlier in zip(table.total, table.before, strict=True):
        if now is None or not earlier:
            texts.append("–")
            continue
        percent = round(100 * (now - earlier) / earlier)
        texts.append(f"{'+' if percent > 0 else ''}{figure_text(percent, lang)} %")
    return texts


def file_name(question: Question, form: str) -> str:
    return f"bao-cao-{question.report.key}-{question.since}-{question.until}.{form}"


def before_text(question: Question, lang: str) -> str:
    since, last_day = question.before
    return labels.say("report.before", lang, since=day_text(since), until=day_text(last_day))


def heading_of(question: Question, agency: str, lang: str) -> str:
    return labels.say(
        "report.heading",
        lang,
        report=labels.say(f"report.{question.report.key}", lang),
        since=day_text(question.since),
        until=day_text(question.until),
        agency=" – ".join(filter(None, (agency, *unit_names(question), choice_text(question, lang)))),
    )
