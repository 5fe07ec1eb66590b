"""The one table of reports, and a report made of sums. A page, a call of the API and a command read it: each report's
columns, the dimensions that its lines may have, who may ask for it. In: a report's question; sums of cells by key, of the
period and of the one before. Out: lines with their figures, and the total of both periods. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from typing import NamedTuple

from gateway.domain.figures import IN, OUT, PAIRS, READ, USE, Dimension

Sums = Mapping[str, Mapping[str, int]]
"""Sums by key of a line, then by measure; a measure of one side of two stands as `in.documents`. What is overdue stands
as `overdue`."""
Figure = int | float | None


class By(StrEnum):
    """What the lines of a report are."""

    DAY = "day"
    MONTH = "month"
    QUARTER = "quarter"
    TYPE = "type"
    URGENCY = "urgency"
    PARTNER = "partner"
    UNIT = "unit"
    PERSON = "person"
    ROLE = "role"
    REASON = "reason"
    AGENCY = "agency"

    @property
    def dimension(self) -> Dimension:
        """The dimension of the cells that are summed up; a unit, an agency and a time are no dimension."""
        return _DIMENSIONS.get(self, Dimension.ALL)


_DIMENSIONS = {
    By.TYPE: Dimension.TYPE,
    By.URGENCY: Dimension.URGENCY,
    By.PARTNER: Dimension.PARTNER,
    By.PERSON: Dimension.PERSON,
    By.ROLE: Dimension.ROLE,
    By.REASON: Dimension.REASON,
}
BY_TIME = (By.DAY, By.MONTH, By.QUARTER)
OVERDUE = "overdue"
CHOICES = (By.PARTNER, By.TYPE, By.URGENCY)
"""Dimensions of which a report may be about one value alone, beside its units."""
# Cells by due day are kept for times and units alone.
KNOWS_OVERDUE = (*BY_TIME, By.UNIT)
_TRAFFIC = (By.DAY, By.MONTH, By.QUARTER, By.TYPE, By.URGENCY, By.PARTNER, By.UNIT)


def pair_of(choice: By | None, line: By) -> str | None:
    """Return the name of the pair that such lines of one value are counted by; None where cells of one dimension do."""
    first, second = (Dimension.UNIT if by is By.UNIT else by.dimension for by in (choice or line, line))
    return PAIRS.get((first, second))


def usual_line(lines: Sequence[By], choice: By | None) -> By:
    """Return the lines of a report that names none: the first that are kept by day, else the first."""
    return next((line for line in lines if pair_of(choice, line) is None), lines[0])


class Choice(NamedTuple):
    """The one partner, type or urgency that a report is about."""

    by: By
    value: str


class ColumnForm(StrEnum):
    COUNT = "count"
    SHARE = "share"
    """A percentage of the measures `over` together; what is `overdue` counts among them where it is known."""
    HOURS = "hours"
    """A mean of seconds over the measure `over`, in hours."""
    OVERDUE = "overdue"
    """What is open and was due before today; `measure` of the cells by due day."""
    TODAY = "today"
    """A number as of today, unknown of the period before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportColumn:
    """One column; a figure that counts leads to the list of what it counts."""

    key: str
    measure: str
    form: ColumnForm = ColumnForm.COUNT
    bases: tuple[str, ...] = ()
    side: str = ""
    of_document: bool = False
    """Counted once for a document, however many recipients it has: unknown by recipient."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One report. `drawn` are the columns of its chart. `of_node`: totals of agencies, for the operator. `also`: lines of a
    second table, which stands under the first lines of the whole agency, so that both are one review."""

    key: str
    side: str
    lines: tuple[By, ...]
    columns: tuple[ReportColumn, ...]
    drawn: tuple[str, ...]
    due: Dimension = Dimension.DUE
    of_node: bool = False
    of_accounts: bool = False
    """Made of accounts and their sign-ins, for administrators and the operator."""
    also: By | None = None

    def lines_of(self, choice: By | None) -> tuple[By, ...]:
        """Return the lines that are known of one unit, partner, type or urgency; of the whole agency for None."""
        if choice is None:
            return self.lines
        if choice is By.UNIT:
            return tuple(line for line in self.lines if line is not By.REASON)
        pairs = [line for line in CHOICES if (choice.dimension, line.dimension) in PAIRS]
        possible = (*BY_TIME, By.UNIT, *pairs) if choice in self.lines else ()
        return tuple(line for line in self.lines if line in possible)

    def columns_by(self, by: By) -> tuple[ReportColumn, ...]:
        """Return the columns that are known for such lines."""
        hides_documents = by is By.PARTNER and self.side == OUT
        return tuple(column for column in self.columns if not (hides_documents and column.of_document))


def _count(key: str, **more: object) -> ReportColumn:
    return ReportColumn(key=key, measure=key, **more)  # type: ignore[arg-type]  # fields of the column


def _today(key: str) -> ReportColumn:
    return ReportColumn(key=key, measure=key, form=ColumnForm.TODAY)


def _share(key: str, measure: str, *bases: str, **more: object) -> ReportColumn:
    return ReportColumn(key=key, measure=measure, bases=bases, form=ColumnForm.SHARE, **more)  # type: ignore[arg-type]


def _hours(key: str, measure: str, base: str) -> ReportColumn:
    return ReportColumn(key=key, measure=measure, bases=(base,), form=ColumnForm.HOURS)


_REPLIES = (
    _count("asked"),
    _count("replied"),
    _share("replied_share", "replied", "replied", OVERDUE),
    _count("replied_late"),
    _count("owed"),
    ReportColumn(key="overdue", measure="owed", form=ColumnForm.OVERDUE),
)


def _replies(key: str, side: str) -> Report:
    return Report(
        key=key,
        side=side,
        lines=(By.PARTNER, By.UNIT, By.TYPE, By.MONTH),
        columns=_REPLIES,
        drawn=("asked", "replied"),
        due=Dimension.REPLY_DUE,
    )


REPORTS: Mapping[str, Report] = {
    report.key: report
    for report in (
        Report(
            key="incoming",
            side=IN,
            lines=_TRAFFIC,
            columns=(
                _count("documents"),
                _count("electronic"),
                _count("paper"),
                _count("unsigned"),
                _count("taken"),
                _hours("taken_hours", "taken_s", "taken"),
                _count("done"),
                _count("refused"),
                _count("recalled"),
                _count("replacements"),
            ),
            drawn=("documents", "done"),
        ),
        Report(
            key="outgoing",
            side=OUT,
            lines=_TRAFFIC,
            columns=(
                _count("documents", of_document=True),
                *(_count(key, of_document=True) for key in ("electronic", "with_paper", "paper", "unsigned")),
                _count("replacements", of_document=True),
                _count("recipients"),
                _count("delivered"),
                _count("taken"),
                _hours("taken_hours", "taken_s", "taken"),
                _count("refused"),
                _count("recalled"),
                _count("failed"),
            ),
            drawn=("documents", "recipients"),
        ),
        Report(
            key="deadlines",
            side=IN,
            lines=(By.UNIT, By.PERSON, By.TYPE, By.PARTNER, By.MONTH),
            columns=(
                _count("due"),
                _count("on_time"),
                _share("on_time_share", "on_time", "on_time", "late", OVERDUE),
                _count("late"),
                _hours("late_hours", "late_s", "late"),
                _count("open_due"),
                ReportColumn(key="overdue", measure="open_due", form=ColumnForm.OVERDUE),
            ),
            drawn=("on_time", "late"),
        ),
        _replies("replies-owed", IN),
        _replies("replies-awaited", OUT),
        Report(
            key="paper",
            side=OUT,
            lines=(By.TYPE, By.REASON, By.UNIT, By.MONTH),
            columns=(
                _count("documents"),
                _count("electronic"),
                _share("electronic_share", "electronic", "documents"),
                _count("with_paper"),
                _count("paper"),
            ),
            drawn=("electronic", "with_paper"),
            also=By.REASON,
        ),
        Report(
            key="readings",
            side=READ,
            lines=(By.DAY, By.MONTH, By.QUARTER, By.UNIT, By.ROLE, By.PERSON),
            columns=(_count("reads"), _count("read_files")),
            drawn=("reads",),
        ),
        Report(
            key="accounts",
            side=USE,
            lines=(By.ROLE, By.AGENCY),
            columns=(
                _today("accounts"),
                _count("active"),
                _share("active_share", "active", "accounts"),
                _today("never"),
                _today("locked"),
                _count("sign_ins"),
            ),
            drawn=("accounts", "active"),
            of_accounts=True,
        ),
        Report(
            key="agencies",
            side="",
            lines=(By.AGENCY, By.MONTH, By.QUARTER),
            columns=(
                _count("documents", side=OUT),
                _share("electronic_share", "electronic", "documents", side=OUT),
                _count("recipients", side=OUT),
                ReportColumn(key="received", measure="documents", side=IN),
                _count("taken", side=IN),
                _count("refused", side=IN),
                _count("done", side=IN),
                _count("on_time", side=IN),
                _count("late", side=IN),
                _count("reads", side=READ),
            ),
            drawn=("documents", "received"),
            of_node=True,
        ),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One report with its questions. Empty `units` mean the whole agency; `choice` is the one partner, type or urgency that
    it is about, of the whole agency alone."""

    report: Report
    by: By
    since: date
    until: date
    units: tuple[str, ...] = ()
    choice: Choice | None = None

    @property
    def narrowed_by(self) -> By | None:
        return self.choice.by if self.choice is not None else By.UNIT if self.units else None

    @property
    def pair(self) -> str | None:
        """The name of the pair whose cells are its figures, by month alone; None where those of one dimension are."""
        return pair_of(self.narrowed_by, self.by)

    @property
    def lines(self) -> tuple[By, ...]:
        """The lines that it may have."""
        return self.report.lines_of(self.narrowed_by)

    @property
    def columns(self) -> tuple[ReportColumn, ...]:
        by = By.PARTNER if self.narrowed_by is By.PARTNER else self.by
        return self.report.columns_by(by)

    @property
    def also(self) -> Question | None:
        """Return the question of the second table; None where there is none."""
        is_narrowed = self.by is not self.report.lines[0] or bool(self.units or self.choice)
        return None if self.report.also is None or is_narrowed else replace(self, by=self.report.also)

    @property
    def before(self) -> tuple[date, date]:
        """Return the period before: the same days of as many months before where this one begins with a month, all of them
        where it ends with one; else as many days."""
        since, until = self.since, self.until
        days = (until - since).days + 1
        if since.day != 1 or since == until:
            return since - timedelta(days=days), since - timedelta(days=1)
        months = _month_index(until) - _month_index(since) + 1
        first, last = _month(_month_index(until) - months), _month(_month_index(until) - months + 1)
        is_whole = (until + timedelta(days=1)).day == 1
        end = last - timedelta(days=1)
        same_day = end if is_whole else min(end, first + timedelta(days=until.day - 1))
        return _month(_month_index(since) - months), same_day


def _month_index(day: date) -> int:
    return day.year * 12 + day.month - 1


def _month(index: int) -> date:
    return date(index // 12, index % 12 + 1, 1)


def in_whole_months(question: Question) -> Question:
    """Return the question over the whole months that its period is in."""
    behind = (question.until.replace(day=1) + timedelta(days=32)).replace(day=1)
    return replace(question, since=question.since.replace(day=1), until=behind - timedelta(days=1))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportLine:
    key: str
    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportTable:
    """A report with its figures, in the order of its columns."""

    question: Question
    lines: tuple[ReportLine, ...]
    total: tuple[Figure, ...]
    before: tuple[Figure, ...]
    also: ReportTable | None = None

    def by_column(self, figures: Sequence[Figure]) -> dict[str, Figure]:
        keys = (column.key for column in self.question.columns)
        return dict(zip(keys, figures, strict=True))


def make_table(
    question: Question, sums: Sums, earlier: Sums, total: Mapping[str, int] | None = None
) -> ReportTable:
    """Make the lines, those by time in its order, others with the most first. Without a `total` it is the sum of them."""
    columns = question.columns
    lines = [ReportLine(key=key, figures=_figures(columns, sums[key], question)) for key in sums]
    lines = [line for line in lines if any(line.figures)]
    if question.by in (*BY_TIME, By.URGENCY):
        lines.sort(key=lambda line: line.key)
    else:
        lines.sort(key=lambda line: (-(line.figures[0] or 0), line.key))
    return ReportTable(
        question=question,
        lines=tuple(lines),
        total=_figures(columns, _total(sums) if total is None else total, question, of_total=True),
        before=_figures(columns, _total(earlier), question, of_total=True),
    )


def _total(sums: Sums) -> Mapping[str, int]:
    total: dict[str, int] = {}
    for measures in sums.values():
        for name, n in measures.items():
            total[name] = total.get(name, 0) + n
    return total


def _figures(
    columns: Sequence[ReportColumn], sums: Mapping[str, int], question: Question, *, of_total: bool = False
) -> tuple[Figure, ...]:
    knows_overdue = question.choice is None and (of_total or question.by in KNOWS_OVERDUE)
    return tuple(
        None if column.form is ColumnForm.OVERDUE and not knows_overdue else _figure(column, sums)
        for column in columns
    )


def _figure(column: ReportColumn, sums: Mapping[str, int]) -> Figure:
    name = OVERDUE if column.form is ColumnForm.OVERDUE else column.measure
    if column.form is ColumnForm.TODAY:
        return sums.get(name)
    value = sums.get(_sum_key(column, name), 0)
    if column.form in (ColumnForm.COUNT, ColumnForm.OVERDUE):
        return value
    divisor = sum(sums.get(_sum_key(column, part), 0) for part in column.bases)
    if not divisor:
        return None
    return (
        round(100 * value / divisor, 1)
        if column.form is ColumnForm.SHARE
        else round(value / divisor / 3600, 1)
    )


def _sum_key(column: ReportColumn, measure: str) -> str:
    return f"{column.side}.{measure}" if column.side else measure


def measures_of(question: Question, side: str = "") -> tuple[str, ...]:
    """Return the measures that the columns of one side are made of."""
    names = [
        name
        for column in question.columns
        if column.side == side and column.form is not ColumnForm.OVERDUE
        for name in (column.measure, *column.bases)
    ]
    return tuple(dict.fromkeys(name for name in names if name != OVERDUE))
