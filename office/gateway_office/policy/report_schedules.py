"""Reports that are sent by the calendar: which report, its periods, and the people. In: an agency's wish, days. Out:
the period that is due, and from which day on; whether the wish can be kept, with every reason why not. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum

from gateway.domain.document import URGENCY_KEYS
from gateway.domain.event import EventKind
from gateway.domain.figures import IN
from gateway_office.policy import reports
from gateway_office.policy.reports import CHOICES, REPORTS, By, Report, pair_of

MOST_SCHEDULES = 50
MOST_PEOPLE = 50
FORMS = ("pdf", "xlsx", "csv")
# A try that failed is made again after so long, then after twice as long, up to an hour.
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(minutes=2), timedelta(hours=1)


class PeriodKind(StrEnum):
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"


class Problem(StrEnum):
    """Why a report did not reach people; `report.problem.…` in the labels has the words."""

    MAIL_OFF = "mail_off"
    MAIL_DOWN = "mail_down"
    NO_ADDRESS = "no_address"
    NO_RIGHT = "no_right"
    NO_KEY = "no_key"
    NO_WEBHOOK = "no_webhook"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleWish:
    """Wish of an agency, or of the node's operator in an agency's name (`of_node`): then about all agencies, or those at
    and below the code `under`. `people`: ids of persons who get it as a file by mail; `to_programs`: its figures are in
    an event of the agency, for every webhook that listens, or for the one `webhook`."""

    report: str
    by: str
    period: PeriodKind
    form: str = "pdf"
    unit: str = ""
    partner: str = ""
    type_name: str = ""
    urgency: str = ""
    people: tuple[str, ...] = ()
    to_programs: bool = False
    webhook: str = ""
    of_node: bool = False
    under: str = ""

    @property
    def event_kind(self) -> EventKind:
        report = REPORTS.get(self.report)
        is_of_incoming = report is not None and report.side == IN
        return EventKind.INBOX_REPORT if is_of_incoming else EventKind.MESSAGE_REPORT

    @property
    def only(self) -> dict[str, str]:
        """The one unit, partner, type or urgency that it is about; the others are empty."""
        return {"unit": self.unit, "partner": self.partner, "type": self.type_name, "urgency": self.urgency}

    @property
    def narrowed_by(self) -> Sequence[By]:
        return [By(name) for name, value in self.only.items() if value]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSchedule:
    """A wish that is kept. `due_on` is the first day behind the period that is sent next; `sent_to` are the persons who
    have that one already. A try that failed left its `problem`, and is made again from `not_before` on."""

    id: str
    wish: ScheduleWish
    made_by: str
    made_at: datetime
    due_on: date
    paused_at: datetime | None = None
    sent_at: datetime | None = None
    sent_to: tuple[str, ...] = ()
    problem: str = ""
    tries: int = 0
    not_before: datetime | None = None

    @property
    def span(self) -> tuple[date, date]:
        """First and last day of the period that is sent next."""
        return period_before(self.wish.period, self.due_on)


def first_day(kind: PeriodKind, day: date) -> date:
    """Return the first day of the period that the day is in."""
    if kind is PeriodKind.DAY:
        return day
    if kind is PeriodKind.WEEK:
        return day - timedelta(days=day.weekday())
    return day.replace(month=day.month if kind is PeriodKind.MONTH else 3 * ((day.month - 1) // 3) + 1, day=1)


def next_due(kind: PeriodKind, day: date) -> date:
    """Return the first day behind the period that the day is in."""
    longest = {PeriodKind.DAY: 1, PeriodKind.WEEK: 7, PeriodKind.MONTH: 31, PeriodKind.QUARTER: 92}
    return first_day(kind, first_day(kind, day) + timedelta(days=longest[kind]))


def period_before(kind: PeriodKind, due_on: date) -> tuple[date, date]:
    """Return the period whose last day is the day before."""
    last = due_on - timedelta(days=1)
    return first_day(kind, last), last


def failed(schedule: ReportSchedule, problem: Problem, now: datetime) -> ReportSchedule:
    """Return the schedule after a try that failed and is made again."""
    pause = min(_FIRST_PAUSE * 2 ** min(schedule.tries, 10), _LONGEST_PAUSE)
    return replace(schedule, problem=problem.value, tries=schedule.tries + 1, not_before=now + pause)


def advance(schedule: ReportSchedule, problems: Sequence[Problem], now: datetime) -> ReportSchedule:
    """Return the schedule with the next period, after this one was sent; `problems` are those of persons left out."""
    return replace(
        schedule,
        due_on=next_due(schedule.wish.period, schedule.due_on),
        sent_at=now,
        sent_to=(),
        problem=problems[0].value if problems else "",
        tries=0,
        not_before=None,
    )


def known_lines(wish: ScheduleWish) -> Sequence[By]:
    """Return the lines that the report may have, of this unit, partner, type or urgency; those that are kept by month need
    a period of months."""
    if (report := REPORTS.get(wish.report)) is None:
        return ()
    choice = next(iter(wish.narrowed_by), None)
    has_months = wish.period in (PeriodKind.MONTH, PeriodKind.QUARTER)
    return [line for line in report.lines_of(choice) if has_months or pair_of(choice, line) is None]


def usual_line(wish: ScheduleWish) -> str:
    """Return the lines of a wish that names none; empty for an unknown report."""
    lines = known_lines(wish)
    return reports.usual_line(lines, next(iter(wish.narrowed_by), None)) if lines else ""


def may_send(report: Report, *, of_node: bool) -> bool:
    """Tell whether the report is of that kind: one of the node, or of an agency."""
    return report.of_node or report.of_accounts if of_node else not report.of_node


def faults(
    wish: ScheduleWish, readers: Collection[str], webhooks: Collection[str] = ()
) -> list[tuple[str, str]]:
    """Return the faults of a wish, each as field and word. `readers` are the persons who may read reports, `webhooks` those
    that want its event."""
    report = REPORTS.get(wish.report)
    if report is None or not may_send(report, of_node=wish.of_node):
        return [("report", "unknown")]
    broken = []
    if wish.by not in {*known_lines(wish)}:
        broken.append(("by", "unknown"))
    for n, choice in enumerate(wish.narrowed_by):
        if n or (choice in CHOICES and choice not in report.lines):
            broken.append((choice.value, "unknown"))
    if wish.urgency and wish.urgency not in URGENCY_KEYS.values():
        broken.append(("urgency", "unknown"))
    if wish.webhook and wish.webhook not in webhooks:
        broken.append(("webhook", "unknown"))
    if wish.form not in FORMS:
        broken.append(("format", "unknown"))
    if not wish.people and not wish.to_programs:
        broken.append(("people", "nobody"))
    if len(wish.people) > MOST_PEOPLE or not {*wish.people} <= {*readers}:
        broken.append(("people", "unknown"))
    return broken
