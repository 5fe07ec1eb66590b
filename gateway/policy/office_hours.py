"""Counts office time (R113). In: a calendar, moments, lengths of time. Out: moments and lengths, always by Vietnam's clock.
Pure. A length of office time ends as early as it can: two hours from 09:30 end at 11:30, not at 13:30."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta

from gateway.domain.office_calendar import WEEK, CalendarDay, DayKind, OfficeCalendar, Span
from gateway.domain.wall_clock import VIETNAM, local
from gateway.errors import Misconfigured

NOTHING = timedelta()
_ONE_DAY = timedelta(days=1)


def calendar(
    weekdays: frozenset[int],
    spans: tuple[Span, ...],
    shipped: Iterable[CalendarDay],
    own: Iterable[CalendarDay],
) -> OfficeCalendar:
    """The shipped days, and over them the node's own."""
    days = {each.day: each.kind for each in (*shipped, *own)}
    kept = {day: kind for day, kind in days.items() if kind is not DayKind.ORDINARY}
    return OfficeCalendar(weekdays=weekdays, spans=spans, days=kept)


def merged(shipped: Iterable[CalendarDay], own: Iterable[CalendarDay]) -> list[CalendarDay]:
    """What holds of each day, in order of days."""
    return sorted({each.day: each for each in (*shipped, *own)}.values(), key=lambda each: each.day)


def read_weekdays(text: str) -> frozenset[int]:
    """`mon, tue, …` as numbers; Misconfigured for anything else."""
    words = [word.strip().casefold() for word in text.split(",")]
    if not all(word in WEEK for word in words):
        raise Misconfigured(f"office.weekdays is {text!r}; it lists days such as mon, tue, wed, thu, fri")
    return frozenset(WEEK.index(word) for word in words)


def read_spans(text: str) -> tuple[Span, ...]:
    """`07:30-11:30, 13:30-17:00` as spans; Misconfigured for anything else."""
    try:
        pairs = [part.strip().split("-") for part in text.split(",")]
        spans = tuple(
            Span(start=time.fromisoformat(start.strip()), end=time.fromisoformat(end.strip()))
            for start, end in pairs
        )
        OfficeCalendar(spans=spans)
    except ValueError as why:
        raise Misconfigured(
            f"office.hours is {text!r}; write hours that follow each other, such as 07:30-11:30, 13:30-17:00"
        ) from why
    return spans


def is_open(office: OfficeCalendar, at: datetime) -> bool:
    """Whether the office works at that moment; at the last moment of a span it has closed."""
    return any(start <= at < end for start, end in _spans(office, local(at).date()))


def next_open(office: OfficeCalendar, at: datetime) -> datetime:
    """The same moment while the office works, else the next one at which it does."""
    return max(at, next(start for start, end in _from(office, at) if end > at))


def add(office: OfficeCalendar, at: datetime, span: timedelta) -> datetime:
    """The earliest moment by which that much office time has passed."""
    if span <= NOTHING:
        return at
    for start, end in _from(office, at):
        begin = max(start, at)
        if end <= begin:
            continue
        if span <= end - begin:
            return begin + span
        span -= end - begin
    raise AssertionError("a calendar has no end")


def between(office: OfficeCalendar, start: datetime, end: datetime) -> timedelta:
    """How much office time lies between; negative when the end is earlier."""
    if end < start:
        return -between(office, end, start)
    total = NOTHING
    for opens, closes in _from(office, start):
        if opens >= end:
            break
        total += max(NOTHING, min(closes, end) - max(opens, start))
    return total


def working_day(office: OfficeCalendar) -> timedelta:
    """Office time of one day."""
    return sum((_on(date.min, span.end) - _on(date.min, span.start) for span in office.spans), NOTHING)


def closes(office: OfficeCalendar, day: date) -> datetime:
    """When the office would close on that day, were it a working day."""
    return _on(day, office.spans[-1].end)


def morning_ends(office: OfficeCalendar, day: date) -> datetime:
    """When the first span of that day ends."""
    return _on(day, office.spans[0].end)


def next_working_day(office: OfficeCalendar, day: date) -> date:
    """The first working day after that one."""
    day += _ONE_DAY
    while not office.works(day):
        day += _ONE_DAY
    return day


def on(day: date, at: time) -> datetime:
    """That time of that day in Vietnam."""
    return _on(day, at)


def _from(office: OfficeCalendar, at: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Every span from that day on; there is always another one, for holidays are finite and the week is not empty."""
    day = local(at).date()
    while True:
        yield from _spans(office, day)
        day += _ONE_DAY


def _spans(office: OfficeCalendar, day: date) -> Iterator[tuple[datetime, datetime]]:
    if office.works(day):
        for span in office.spans:
            yield _on(day, span.start), _on(day, span.end)


def _on(day: date, at: time) -> datetime:
    return datetime.combine(day, at, VIETNAM)
