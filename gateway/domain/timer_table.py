"""Table of the timers of the rules (section 11): how long each runs, what it is counted in, and the steps at which it
reminds which people. Reminders, tasks, marks of lists, the page of timers and the command read this one table;
`policy.timers` counts the moments. Frozen values. Labels have the texts: `timer.t1`, `timer.start.t1`, `timer.end.t1`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time, timedelta
from enum import StrEnum
from functools import partial
from typing import Final, NamedTuple

from gateway.domain.document import Urgency

AT_ONCE: Final[Mapping[Urgency, timedelta]] = {
    Urgency.URGENT: timedelta(minutes=60),
    Urgency.VERY_URGENT: timedelta(minutes=30),
    Urgency.EXPRESS: timedelta(minutes=15),
    Urgency.TIMED_EXPRESS: timedelta(minutes=15),
}
"""T2u (urgent intake) and T5u (urgent submission) run by the wall clock. A stated hour takes precedence over the fifteen
minutes of intake."""
EVERY: Final[Mapping[Urgency, timedelta]] = {
    Urgency.URGENT: timedelta(minutes=15),
    Urgency.VERY_URGENT: timedelta(minutes=10),
    Urgency.EXPRESS: timedelta(minutes=5),
    Urgency.TIMED_EXPRESS: timedelta(minutes=5),
}


class Timer(StrEnum):
    """Timers; the value is the number that the rules give them, and `timer.…` in the labels has their texts."""

    ISSUE = "t1"
    ISSUE_URGENT = "t1u"
    TAKE_IN = "t2"
    TAKE_IN_URGENT = "t2u"
    NOTIFY_SENDER = "t3"
    DECIDE_ON_HOLD = "t4"
    ASSIGN = "t5"
    ASSIGN_URGENT = "t5u"
    START_WORK = "t6"
    FINISH_BY_DAY = "t7"
    FINISH_WITHOUT_DAY = "t7n"
    LEADERS_DRAFT = "t8"
    RECIPIENTS_REPLY = "t9"
    REPLY = "t10"
    ANSWER_RECALL = "t11"
    REPORT_STATUS = "t12"
    STOP_NOTICE = "t13"
    INCIDENT_NOTICE = "t14"
    UNSTARTED_WORK = "t15"
    ORGANISATION_CHANGE = "t16"
    LEAVERS_ACCOUNT = "t17"
    ACCOUNT_REQUEST = "t18"
    PASSWORD_CHANGE = "t19"  # noqa: S105 - a timer
    UNUSED_ACCOUNT = "t20"
    INACTIVITY = "t21"
    HALF_YEARLY_LIST = "t22"
    YEARLY_REVIEW = "t23"
    ARCHIVE_FILES = "t24"
    CERTIFICATE_RENEWAL = "t25"
    HAND_OVER = "t26"
    QUARTERLY_FIGURES = "t27"

    @property
    def rule(self) -> str:
        """Number of the rule in the table of legal bases: T1, T1u, T7n."""
        return f"T{self.value[1:]}"


class Counting(StrEnum):
    """Time in which a timer is counted; `timer.counting.…` has the words. Office hours and working days stop while the
    office is closed, the other two never."""

    OFFICE_HOURS = "office_hours"
    WORKING_DAYS = "working_days"
    CALENDAR_DAYS = "calendar_days"
    WALL_CLOCK = "wall_clock"


class Unit(StrEnum):
    """Unit of a timer's length; `timer.length.…` has the words."""

    SECONDS = "seconds"
    MINUTES = "minutes"
    DAYS = "days"
    RULE = "rule"
    """No number: the length is a moment of a day, or a deadline that was given."""


class Receivers(StrEnum):
    """People whom a step reminds; `timer.to.…` has the words."""

    AGENCY = "agency"
    """Addresses of the agency: its clerks."""
    HEADS = "heads"
    OFFICERS = "officers"
    UNIT_HEADS = "unit_heads"
    ADMINS = "admins"
    OPERATORS = "operators"
    PERSON = "person"


class Means(StrEnum):
    """Means of telling a step; `timer.by.…` has the words."""

    MAIL = "mail"
    DIGEST = "digest"
    PAGE = "page"
    EVENT = "event"
    METRIC = "metric"
    REFUSAL = "refusal"


class Base(StrEnum):
    START = "start"
    DUE = "due"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a timer. Its moment is `minutes` after the base, counted as the timer is; or, with `days` or `months`,
    `at` (else the opening of the office) on the day so long after the base's, working days where `working`. `task` limits
    it to tasks of that kind. A step before the start does not exist."""

    key: str
    to: Receivers
    base: Base = Base.START
    minutes: int = 0
    days: int | None = None
    months: int = 0
    at: time | None = None
    working: bool = False
    by: Means = Means.MAIL
    task: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerRow:
    """One timer. `amount` ships with the program, in its `unit`; where `most` is set an agency may choose another within
    the bounds. `may_rest`: a person may put its task off."""

    timer: Timer
    counting: Counting
    unit: Unit = Unit.RULE
    amount: int = 0
    least: int = 0
    most: int = 0
    steps: tuple[Step, ...] = ()
    may_rest: bool = False
    setting: str = ""
    """Setting of the node that changes it, where it is no setting of the agency."""

    @property
    def profile_key(self) -> str:
        """Key of the agency's setting for the length; empty where it may choose none."""
        return f"timer_{self.timer}" if self.most else ""

    @property
    def sends_mail(self) -> bool:
        return any(step.by is Means.MAIL for step in self.steps)

    @property
    def wall_clock(self) -> bool:
        return self.counting in (Counting.WALL_CLOCK, Counting.CALENDAR_DAYS)


_AGENCY, _HEADS, _OFFICERS = Receivers.AGENCY, Receivers.HEADS, Receivers.OFFICERS
_ADMINS, _OPERATORS, _PERSON = Receivers.ADMINS, Receivers.OPERATORS, Receivers.PERSON
_MORNING = time(8)
_DAY = 24 * 60

CERTIFICATE_DAYS: Final = (1, 7, 14, 30, 60, 90)
"""Days before the end of a certificate on which people are reminded (T25), the nearest first."""
IDLE_WARNED_BEFORE: Final = 7
"""So many days before an unused account is locked or suspended its warning is given once more (T20, T21)."""
UNUSED_TOLD_BEFORE: Final = (10, 3)
"""Days before the lock of a new account on which its person is reminded (T20): of thirty, the 20th and the 27th."""
DRAFTS_DUE_AT: Final = time(16)
DRAFTS_TOLD_AT: Final = time(15, 30)
"""Hours of T8 (drafts reach the leader)."""


def _steps_before(
    to: Receivers, *days: int, at: time | None = None, by: Means = Means.MAIL
) -> tuple[Step, ...]:
    """Return a step for each of these days before the end."""
    return tuple(Step(key=str(day), to=to, base=Base.DUE, days=-day, at=at, by=by) for day in days)


class _Length(NamedTuple):
    """Length of a timer as it ships, and the bounds within which an agency may choose another."""

    unit: Unit = Unit.RULE
    amount: int = 0
    least: int = 0
    most: int = 0


_seconds, _minutes, _days = (partial(_Length, unit) for unit in (Unit.SECONDS, Unit.MINUTES, Unit.DAYS))
_BY_RULE = _Length()


def _row(
    timer: Timer,
    counting: Counting,
    *steps: Step,
    length: _Length = _BY_RULE,
    may_rest: bool = False,
    setting: str = "",
) -> TimerRow:
    """Make the row of a timer; without a `length` its rule gives the moment."""
    return TimerRow(
        timer=timer, counting=counting, steps=steps, may_rest=may_rest, setting=setting, **length._asdict()
    )


# A unit's part: given, three days before its day, the day before, on it; late; two days late.
_PART_STEPS = (
    Step(key="given", to=_OFFICERS),
    *_steps_before(_OFFICERS, 3, 1, 0),
    Step(key="late", to=Receivers.UNIT_HEADS, base=Base.DUE),
    Step(key="", to=_HEADS, base=Base.DUE, days=2, at=time(17)),
)

_ROWS = (
    _row(
        Timer.ISSUE,
        Counting.WORKING_DAYS,
        Step(key="1530", to=_AGENCY, days=0, at=time(15, 30)),
        Step(key="1000", to=_HEADS, days=1, at=time(10), working=True),
        may_rest=True,
    ),
    _row(
        Timer.ISSUE_URGENT,
        Counting.WALL_CLOCK,
        Step(key="5", to=_AGENCY, minutes=5),
        Step(key="15", to=_HEADS, base=Base.DUE),
        length=_minutes(15, least=5, most=120),
    ),
    _row(
        Timer.TAKE_IN,
        Counting.OFFICE_HOURS,
        Step(key="60", to=_AGENCY, base=Base.DUE, minutes=-60),
        Step(key="15", to=_AGENCY, base=Base.DUE, minutes=-15),
        Step(key="late", to=_HEADS, base=Base.DUE),
        length=_minutes(120, least=30, most=450),
        may_rest=True,
    ),
    _row(Timer.TAKE_IN_URGENT, Counting.WALL_CLOCK, Step(key="every", to=_AGENCY, by=Means.MAIL)),
    _row(
        Timer.NOTIFY_SENDER,
        Counting.WORKING_DAYS,
        Step(key="", to=_AGENCY, base=Base.DUE, days=0, at=time(16)),
        may_rest=True,
    ),
    _row(
        Timer.DECIDE_ON_HOLD,
        Counting.WORKING_DAYS,
        Step(key="daily", to=_AGENCY, by=Means.DIGEST),
        length=_days(1, least=1, most=10),
        may_rest=True,
    ),
    _row(
        Timer.ASSIGN,
        Counting.WORKING_DAYS,
        Step(key="", to=_AGENCY, days=0, at=time(16), task="assign"),
        Step(key="", to=_AGENCY, task="reassign"),
        Step(key="", to=_HEADS, days=1, at=_MORNING, working=True, task="assign"),
        Step(key="", to=_HEADS, days=1, at=_MORNING, working=True, task="reassign"),
        Step(key="", to=_HEADS, task="opinion"),
        may_rest=True,
    ),
    _row(
        Timer.ASSIGN_URGENT,
        Counting.WALL_CLOCK,
        Step(key="", to=_AGENCY, task="assign"),
        Step(key="", to=_AGENCY, task="reassign"),
        Step(key="late", to=_HEADS, base=Base.DUE, task="assign"),
        Step(key="late", to=_HEADS, base=Base.DUE, task="reassign"),
        Step(key="", to=_HEADS, task="opinion"),
    ),
    _row(
        Timer.START_WORK,
        Counting.WORKING_DAYS,
        Step(key="given", to=_OFFICERS),
        Step(key="start", to=Receivers.UNIT_HEADS, base=Base.DUE),
        length=_days(1, least=1, most=10),
        may_rest=True,
    ),
    _row(Timer.FINISH_BY_DAY, Counting.WORKING_DAYS, *_PART_STEPS, may_rest=True),
    _row(
        Timer.FINISH_WITHOUT_DAY,
        Counting.WORKING_DAYS,
        *_PART_STEPS,
        length=_days(15, least=1, most=60),
        may_rest=True,
    ),
    _row(
        Timer.LEADERS_DRAFT,
        Counting.WORKING_DAYS,
        Step(key="1530", to=_PERSON, base=Base.DUE, days=0, at=DRAFTS_TOLD_AT),
    ),
    _row(
        Timer.RECIPIENTS_REPLY,
        Counting.CALENDAR_DAYS,
        *_steps_before(_AGENCY, 3, 1, 0),
        Step(key="late", to=_AGENCY, base=Base.DUE, days=1),
        may_rest=True,
    ),
    _row(
        Timer.REPLY,
        Counting.CALENDAR_DAYS,
        *_steps_before(_OFFICERS, 3, 1, 0),
        *_steps_before(_AGENCY, 3, 1, 0),
        may_rest=True,
    ),
    _row(
        Timer.ANSWER_RECALL,
        Counting.WORKING_DAYS,
        Step(key="given", to=_AGENCY, task="recall"),
        Step(key="late", to=_HEADS, base=Base.DUE, task="recall"),
        Step(key="late", to=_AGENCY, base=Base.DUE, task="recall_due"),
        length=_days(1, least=1, most=5),
        may_rest=True,
    ),
    _row(
        Timer.REPORT_STATUS,
        Counting.WALL_CLOCK,
        Step(key="6h", to=_OPERATORS, minutes=6 * 60),
        Step(key="24h", to=_AGENCY, minutes=_DAY),
        length=_minutes(5),
        may_rest=True,
    ),
    _row(
        Timer.STOP_NOTICE,
        Counting.WORKING_DAYS,
        Step(key="refused", to=_OPERATORS, by=Means.REFUSAL),
        length=_days(1),
    ),
    _row(
        Timer.INCIDENT_NOTICE,
        Counting.WALL_CLOCK,
        Step(key="15", to=_OPERATORS, base=Base.DUE),
        length=_minutes(15),
    ),
    _row(
        Timer.UNSTARTED_WORK,
        Counting.WORKING_DAYS,
        Step(key="0900", to=_OFFICERS, days=0, at=time(9)),
        Step(key="1430", to=_OFFICERS, days=0, at=time(14, 30)),
    ),
    _row(
        Timer.ORGANISATION_CHANGE,
        Counting.CALENDAR_DAYS,
        Step(key="10", to=_OPERATORS, days=10, at=_MORNING),
        Step(key="15", to=_OPERATORS, days=15, at=_MORNING),
        length=_days(15),
    ),
    _row(
        Timer.LEAVERS_ACCOUNT,
        Counting.CALENDAR_DAYS,
        Step(key="0", to=_ADMINS, days=0, at=_MORNING),
        Step(key="4", to=_ADMINS, days=4, at=_MORNING),
        Step(key="5", to=_ADMINS, days=5, at=_MORNING),
        length=_days(5),
    ),
    _row(
        Timer.ACCOUNT_REQUEST,
        Counting.WORKING_DAYS,
        Step(key="2", to=_OPERATORS, days=2, at=_MORNING, working=True),
        length=_days(3),
    ),
    _row(
        Timer.PASSWORD_CHANGE,
        Counting.CALENDAR_DAYS,
        *_steps_before(_PERSON, 14, 7, 1, by=Means.PAGE),
        length=_days(90),
        setting="accounts.password_days",
    ),
    _row(
        Timer.UNUSED_ACCOUNT,
        Counting.CALENDAR_DAYS,
        *_steps_before(_PERSON, *UNUSED_TOLD_BEFORE, at=_MORNING),
        *_steps_before(_ADMINS, *UNUSED_TOLD_BEFORE, at=_MORNING),
        *_steps_before(_ADMINS, IDLE_WARNED_BEFORE, by=Means.EVENT),
        Step(key="locked", to=_ADMINS, base=Base.DUE, by=Means.EVENT),
        length=_days(),
        setting="accounts.unused_days",
    ),
    _row(
        Timer.INACTIVITY,
        Counting.CALENDAR_DAYS,
        Step(key="60", to=_ADMINS, days=60, by=Means.EVENT),
        *_steps_before(_ADMINS, IDLE_WARNED_BEFORE, by=Means.EVENT),
        Step(key="suspended", to=_ADMINS, base=Base.DUE, by=Means.EVENT),
        length=_days(180),
        setting="accounts.suspend_days",
    ),
    _row(Timer.HALF_YEARLY_LIST, Counting.WORKING_DAYS, Step(key="list", to=_OPERATORS, days=0, at=_MORNING)),
    _row(
        Timer.YEARLY_REVIEW,
        Counting.CALENDAR_DAYS,
        Step(key="1", to=_ADMINS, days=0, at=_MORNING),
        Step(key="15", to=_ADMINS, days=14, at=_MORNING),
        Step(key="25", to=_ADMINS, days=24, at=_MORNING),
    ),
    _row(
        Timer.ARCHIVE_FILES,
        Counting.CALENDAR_DAYS,
        Step(key="10m", to=_PERSON, months=10, at=_MORNING),
        Step(key="11m", to=_PERSON, months=11, at=_MORNING),
        *_steps_before(_PERSON, 30, 0, at=_MORNING),
    ),
    _row(
        Timer.CERTIFICATE_RENEWAL,
        Counting.CALENDAR_DAYS,
        *_steps_before(_AGENCY, *reversed(CERTIFICATE_DAYS), at=_MORNING),
        *_steps_before(_ADMINS, *reversed(CERTIFICATE_DAYS), at=_MORNING),
    ),
    _row(
        Timer.HAND_OVER,
        Counting.WALL_CLOCK,
        Step(key="pace", to=_OPERATORS, by=Means.METRIC),
        length=_seconds(5),
    ),
    _row(
        Timer.QUARTERLY_FIGURES,
        Counting.WORKING_DAYS,
        Step(key="first", to=_OPERATORS, days=0, at=_MORNING),
        Step(key="last", to=_OPERATORS, base=Base.DUE, days=0, at=_MORNING),
        length=_days(5),
    ),
)
TIMERS: Final[Mapping[Timer, TimerRow]] = {row.timer: row for row in _ROWS}
