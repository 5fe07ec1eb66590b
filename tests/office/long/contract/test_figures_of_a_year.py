"""Each report over a made-up year of office life is that of an independent count of its events, line for line, on both
databases. `FIGURES_DOCUMENTS=200000` makes the year of a province."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from datetime import date

from gateway.domain.event import Event
from gateway.store import figures, figures_check
from gateway.store.row import to_json
from gateway.store.tables_node import EventRow
from gateway_office.book import reports
from gateway_office.policy.reports import OVERDUE, REPORTS, By, ColumnForm, Question, ReportColumn
from gateway_office.store.store import SqlOfficeStore
from tests.support.office_year import AGENCIES, Counts, OfficeYear, count

DOCUMENTS = int(os.environ.get("FIGURES_DOCUMENTS", "4000"))
TODAY = date(2026, 9, 15)
YEAR = date(2026, 1, 1), date(2026, 12, 31)
PERIODS = (YEAR, (date(2026, 2, 10), date(2026, 7, 3)), (date(2026, 3, 1), date(2026, 3, 31)))
# Where a line of a report is found in the independent count.
DIMENSIONS = {
    By.TYPE: "type",
    By.URGENCY: "urgency",
    By.PARTNER: "partner",
    By.PERSON: "person",
    By.ROLE: "role",
    By.REASON: "reason",
}
Sums = dict[str, dict[str, int]]


async def test_each_report_is_that_of_an_independent_count(store: SqlOfficeStore) -> None:
    events = OfficeYear(2026, DOCUMENTS).events()
    await write(store, events)
    read = 0
    while counted := await figures.fold_next(store, 2_000):
        read += counted
    assert read == len(events)
    counts = count(events)

    compared = 0
    # That of accounts is made of persons too, and has a test of its own.
    for report in (report for report in REPORTS.values() if not report.of_accounts):
        for by in report.lines:
            for first_day, last_day in PERIODS:
                agencies = list(AGENCIES) if report.of_node else [AGENCIES[0]]
                question = Question(report=report, by=by, since=first_day, until=last_day)
                table = await reports.make(store, agencies, question, TODAY)
                figures_by_line = {line.key: line.figures for line in table.lines}
                lines, total = expected(counts, agencies, question)
                assert figures_by_line == lines, f"{report.key} by {by}, {first_day} to {last_day}"
                assert table.total == total, f"total of {report.key} by {by}, {first_day} to {last_day}"
                compared += len(lines)
    assert compared > 500
    assert await figures_check.check(store) == (len(events), [])


async def write(store: SqlOfficeStore, events: Sequence[Event]) -> None:
    for start in range(0, len(events), 5_000):
        async with store.writing() as tx:
            tx.insert(*(_row(event) for event in events[start : start + 5_000]))
            await tx.commit()


def _row(event: Event) -> EventRow:
    return EventRow(
        agency_id=event.agency_id or "",
        id=event.id,
        kind=event.kind.value,
        at=event.at,
        subject_id=event.subject_id,
        principal_id=event.principal_id,
        data=to_json(dict[str, object], event.data),
        node_seq=event.node_seq,
        agency_seq=event.agency_seq,
    )


def expected(
    counts: Counts, agencies: Sequence[str], question: Question
) -> tuple[dict[str, tuple[object, ...]], tuple[object, ...]]:
    """Make the report's lines and total of the independent count by a plain loop."""
    lines: Sums = defaultdict(lambda: defaultdict(int))
    total: dict[str, int] = defaultdict(int)
    due = "reply_due" if question.report.key.startswith("replies") else "due"
    for (agency, side, unit, dimension, value, day), measures in counts.items():
        if agency not in agencies or not question.since <= date.fromisoformat(day) <= question.until:
            continue
        of_units = question.by is By.UNIT
        if (unit != "") != of_units or (question.report.side and side != question.report.side):
            continue
        key = line_key(question.by, agency, unit, value, day)
        if dimension == DIMENSIONS.get(question.by, ""):
            for name, n in measures.items():
                for sums in (lines[key], total):
                    sums[f"{side}.{name}"] += n
        if dimension == due and date.fromisoformat(value) < TODAY:
            for name in ("open_due", "owed"):
                total[f"overdue.{name}"] += measures.get(name, 0)
                if question.by in (By.DAY, By.MONTH, By.QUARTER, By.UNIT):
                    lines[key][f"overdue.{name}"] += measures.get(name, 0)
    if question.by not in (By.DAY, By.MONTH, By.QUARTER, By.UNIT):
        # What is overdue is not counted by unit there.
        assert not any(name.startswith("overdue") for sums in lines.values() for name in sums)
    figures_by_line = {key: figures_of(question, sums, of_total=False) for key, sums in lines.items()}
    nonzero_lines = {key: values for key, values in figures_by_line.items() if any(values)}
    return nonzero_lines, figures_of(question, total, of_total=True)


def line_key(by: By, agency: str, unit: str, value: str, day: str) -> str:
    if by is By.QUARTER:
        return f"{day[:4]}-Q{(int(day[5:7]) + 2) // 3}"
    keys = {By.DAY: day, By.MONTH: day[:7], By.UNIT: unit, By.AGENCY: agency}
    return keys.get(by, value)


def figures_of(question: Question, sums: dict[str, int], *, of_total: bool) -> tuple[object, ...]:
    return tuple(figure(question, column, sums, of_total=of_total) for column in question.columns)


def figure(question: Question, column: ReportColumn, sums: dict[str, int], *, of_total: bool) -> object:
    side = column.side or question.report.side
    is_known = of_total or question.by in (By.DAY, By.MONTH, By.QUARTER, By.UNIT)
    if column.form is ColumnForm.OVERDUE:
        return sums.get(f"overdue.{column.measure}", 0) if is_known else None
    value, divisor = sums.get(f"{side}.{column.measure}", 0), 0
    for base in column.bases:
        owed = next((c.measure for c in question.columns if c.form is ColumnForm.OVERDUE), "")
        divisor += sums.get(f"{side}.{base}" if base != OVERDUE else f"overdue.{owed}" if is_known else "", 0)
    if column.form is ColumnForm.COUNT:
        return value
    if not divisor:
        return None
    return (
        round(100 * value / divisor, 1)
        if column.form is ColumnForm.SHARE
        else round(value / divisor / 3_600, 1)
    )
