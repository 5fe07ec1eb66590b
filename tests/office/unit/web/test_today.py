"""Home: its first block, and the day by the hour."""

from __future__ import annotations

from gateway_office.web import charts


def hours(**counts: int) -> list[int]:
    return [counts.get(f"h{n}", 0) for n in range(24)]


def test_the_day_shows_office_hours_and_whatever_lies_around_them() -> None:
    quiet = charts.day_strip(hours(h9=4), hours(h10=2))
    assert [hour.hour for hour in quiet] == list(range(7, 18))
    late = charts.day_strip(hours(h5=1), hours(h21=1))
    assert (late[0].hour, late[-1].hour) == (5, 21)


def test_the_highest_bar_is_whole_and_the_others_go_by_it() -> None:
    strip = {bar.hour: bar for bar in charts.day_strip(hours(h9=4, h11=1), hours(h9=2))}
    assert strip[9].received_height == 2 * strip[9].sent_height == 4 * strip[11].received_height > 0
    assert strip[9].top + strip[9].received_height == strip[11].top + strip[11].received_height
    assert (strip[10].received, strip[10].sent, strip[10].received_height) == (0, 0, 0)


def test_an_empty_day_has_no_bars() -> None:
    assert charts.day_strip(hours(), hours()) == ()
