"""Office time: lunch, weekends, holidays, swap days and year ends, by Vietnam's clock; and its laws for any calendar."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.office_calendar import (
    AFTERNOON,
    MORNING,
    SHIPPED,
    CalendarDay,
    DayKind,
    OfficeCalendar,
    OfficeHours,
)
from gateway.domain.wall_clock import VIETNAM
from gateway.errors import Misconfigured
from gateway.policy import timers as hours
from gateway.words import labels

PLAIN = OfficeCalendar()
REAL = hours.calendar_of(PLAIN.weekdays, PLAIN.spans, SHIPPED, ())


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=VIETNAM)


def h(count: float) -> timedelta:
    return timedelta(hours=count)


def test_office_time_is_counted_over_what_lies_between() -> None:
    """R113 (working calendar)."""
    for start, span, end in (
        ("2026-10-13 11:00", 2, "2026-10-13 15:00"),  # over lunch
        ("2026-10-15 12:15", 2, "2026-10-15 15:30"),  # in the lunch break
        ("2026-10-16 16:00", 2, "2026-10-19 08:30"),  # over a weekend
        ("2026-10-17 10:00", 2, "2026-10-19 09:30"),  # on a Saturday
        ("2026-10-13 09:30", 2, "2026-10-13 11:30"),  # to the last moment of the morning
        ("2026-02-13 16:30", 1, "2026-02-23 08:00"),  # over Tet
        ("2026-04-29 16:00", 2, "2026-05-04 08:30"),  # two holidays and a weekend
        ("2026-12-31 16:30", 1, "2027-01-04 08:00"),  # over the end of a year
        ("2026-08-21 16:30", 1, "2026-08-22 08:00"),  # into a Saturday that is worked
        ("2026-08-28 16:30", 1, "2026-09-03 08:00"),  # its Monday is free
        ("2026-01-09 16:30", 5, "2026-01-10 14:00"),  # a swap day has an ordinary day's hours
    ):
        assert hours.add_office_time(REAL, at(start), h(span)) == at(end)
        assert hours.office_time_between(REAL, at(start), at(end)) == h(span)


def test_the_machines_zone_does_not_matter() -> None:
    """03:00 in UTC is 10:00 in Vietnam, and 23:30 on Sunday in UTC is Monday there."""
    sunday_night = datetime(2026, 10, 18, 23, 30, tzinfo=UTC)

    assert hours.add_office_time(PLAIN, datetime(2026, 10, 13, 3, tzinfo=UTC), h(1)) == at("2026-10-13 11:00")
    assert hours.next_open(PLAIN, sunday_night) == at("2026-10-19 07:30")


def test_the_next_office_moment_is_now_or_the_next_opening() -> None:
    for moment, opens in (
        ("2026-10-13 07:29", "2026-10-13 07:30"),
        ("2026-10-13 07:30", "2026-10-13 07:30"),
        ("2026-10-13 11:30", "2026-10-13 13:30"),
        ("2026-10-13 16:59", "2026-10-13 16:59"),
        ("2026-10-13 17:00", "2026-10-14 07:30"),
        ("2026-02-14 09:00", "2026-02-23 07:30"),
    ):
        assert hours.next_open(REAL, at(moment)) == at(opens)
        assert hours.is_open(REAL, at(moment)) == (moment == opens)


def test_a_row_of_the_node_goes_over_the_shipped_day() -> None:
    tet = date(2026, 2, 16)
    own = [
        CalendarDay(day=tet, kind=DayKind.ORDINARY, name=""),
        CalendarDay(day=date(2026, 2, 13), kind=DayKind.HOLIDAY, name="Flood"),
    ]
    office = hours.calendar_of(PLAIN.weekdays, PLAIN.spans, SHIPPED, own)

    assert office.works(tet)
    assert not REAL.works(tet)
    assert REAL.works(date(2026, 2, 13))
    assert not office.works(date(2026, 2, 13))
    assert len(hours.merged_days(SHIPPED, own)) == len(SHIPPED) + 1


def test_every_shipped_day_differs_from_its_weekday_or_names_the_feast_itself() -> None:
    assert len({special.day for special in SHIPPED}) == len(SHIPPED)
    for special in SHIPPED:
        assert labels.has(special.name)
        assert special.shipped
        if special.kind is DayKind.WORKDAY:
            assert special.day.weekday() >= 5
    free = [x.day for x in SHIPPED if x.kind is DayKind.HOLIDAY and x.day.year == 2026]
    swapped = [x.day for x in SHIPPED if x.kind is DayKind.WORKDAY and x.day.year == 2026]
    # Eleven days of the Labour Code, the new one of November, and one more for each day that is worked instead.
    assert len([day for day in free if day.weekday() < 5]) == 11 + 1 + len(swapped)


def test_the_settings_are_read_as_they_are_written_and_refused_with_an_example() -> None:
    assert hours.read_spans("07:30-11:30, 13:30-17:00") == (MORNING, AFTERNOON)
    assert hours.read_weekdays("Mon, sat") == frozenset({0, 5})
    for text in (
        *("", "07:30", "08:00-07:00", "07:30-11:30, 11:00-17:00", "seven-eight", "07:30-11:30-12:00"),
    ):
        with pytest.raises(Misconfigured, match=r"office\.hours"):
            hours.read_spans(text)
    with pytest.raises(Misconfigured, match=r"office\.weekdays"):
        hours.read_weekdays("mon, funday")


# --- laws ------------------------------------------------------------------------------------------------------

_START = datetime(2026, 1, 1, tzinfo=UTC)
_MOMENTS = st.integers(0, 3 * 365 * 24 * 60).map(lambda minutes: _START + timedelta(minutes=minutes))
_SPANS = st.integers(0, 60 * 60).map(lambda minutes: timedelta(minutes=minutes))
_DAYS = st.dictionaries(
    st.integers(0, 3 * 365).map(lambda n: date(2026, 1, 1) + timedelta(days=n)),
    st.sampled_from([DayKind.HOLIDAY, DayKind.WORKDAY]),
    max_size=25,
)
_HOURS = st.sampled_from(
    [
        PLAIN.spans,
        (OfficeHours(start=time(8), end=time(16, 45)),),
        (*PLAIN.spans, OfficeHours(start=time(18), end=time(20))),
    ]
)


@st.composite
def calendars(draw: st.DrawFn) -> OfficeCalendar:
    weekdays = draw(st.frozensets(st.integers(0, 6), min_size=1))
    return OfficeCalendar(weekdays=weekdays, spans=draw(_HOURS), days={**REAL.days, **draw(_DAYS)})


@settings(max_examples=200)
@given(calendars(), _MOMENTS, _MOMENTS, _MOMENTS, _SPANS, _SPANS)
def test_office_time_adds_up_and_what_began_earlier_is_never_due_later(
    office: OfficeCalendar, a: datetime, b: datetime, c: datetime, span: timedelta, more: timedelta
) -> None:
    add, between = partial(hours.add_office_time, office), partial(hours.office_time_between, office)
    assert add(add(a, span), more) == add(a, span + more)
    assert between(a, b) + between(b, c) == between(a, c)
    first, second = sorted((a, b))
    assert add(first, span) <= add(second, span)
    assert hours.next_open(office, first) <= hours.next_open(office, second)


@settings(max_examples=200)
@given(calendars(), _MOMENTS, _SPANS)
def test_what_was_added_lies_between_and_ends_in_office_hours_or_at_their_end(
    office: OfficeCalendar, start: datetime, span: timedelta
) -> None:
    end = hours.add_office_time(office, start, span)
    opens = hours.next_open(office, end)
    assert hours.office_time_between(office, start, end) == span <= end - start
    assert hours.office_time_between(office, end, start) == -span
    assert not span or hours.is_open(office, end - timedelta(microseconds=1))
    assert hours.is_open(office, opens)
    assert hours.office_time_between(office, end, opens) == timedelta()
