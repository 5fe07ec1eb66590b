"""Files of calendar days: all of it or nothing, with every fault and its line."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.office_calendar import CalendarDay, DayKind
from gateway.errors import Clash
from gateway_office.policy import calendar_file


def test_both_ways_of_writing_a_day_are_read_in_any_order_of_columns() -> None:
    content = "\ufeffname,day,kind\r\nNghỉ bù,24/11/2028,Holiday\r\n  Swap ,2028-11-18,workday\r\n".encode()

    assert calendar_file.read(content) == [
        CalendarDay(day=date(2028, 11, 18), kind=DayKind.WORKDAY, name="Swap"),
        CalendarDay(day=date(2028, 11, 24), kind=DayKind.HOLIDAY, name="Nghỉ bù"),
    ]


def test_every_fault_is_named_with_its_line() -> None:
    content = b"day,kind,name\n2028-02-30,holiday,a\n2028-01-01,party,b\n2028-01-02,holiday,c\n02/01/2028,workday,d\n"

    with pytest.raises(Clash) as refusal:
        calendar_file.read(content)

    assert [word for word in ("line 2", "line 3", "line 4", "line 5") if word in str(refusal.value)] == [
        "line 2",
        "line 3",
        "line 5",
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"day,kind,name\n",
        b"day,name\n2028-01-01,x\n",
        "day,kind,name\n2028-01-01,holiday,Ng\u00e0y".encode("utf-16"),
        b"day,kind,name\n" + b"2028-01-01,holiday,x\n" * 2001,
        b"day,kind,name\n" + b"x" * calendar_file.MOST_BYTES,
        b"day,kind,name\n0001-01-01,holiday,x\n",
        b"day,kind,name\n2028-01-01,holiday\n2028-01-02\n",
        b'day,kind,name\n2028-01-01,holiday,"x\n',
        b"day,kind,name\n2028-01-01,holiday,a\x1b[2Jb\n",
    ],
    ids=range(10),
)
def test_what_is_no_calendar_is_refused(content: bytes) -> None:
    with pytest.raises(Clash) as refusal:
        calendar_file.read(content)
    assert refusal.value.code == "GW-CALENDAR"


@settings(max_examples=200)
@given(
    st.binary(max_size=200)
    | st.text(max_size=80).map(lambda text: f"day,kind,name\n{text}".encode(errors="replace"))
)
def test_no_bytes_end_in_anything_but_days_or_a_refusal(content: bytes) -> None:
    try:
        days = calendar_file.read(content)
    except Clash:
        return
    assert days
