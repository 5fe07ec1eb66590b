"""The ids that the real clock makes are ULIDs: of their moment, in its order, none twice. A replaced time source
moves it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from gateway import time_source
from gateway.clock import LETTERS, SettledClock, SystemClock
from gateway.time_source import TimeSource
from tests.support.clock import START, ManualClock

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def test_an_id_is_a_ulid_of_its_moment() -> None:
    start = datetime.now(UTC)
    new_id = SystemClock().new_id("msg_")
    end = datetime.now(UTC)
    assert re.fullmatch(f"msg_[0-7][{LETTERS}]{{25}}", new_id)
    ms = 0
    for letter in new_id.removeprefix("msg_")[:10]:
        ms = ms * 32 + LETTERS.index(letter)
    assert int(start.timestamp() * 1000) <= ms <= int(end.timestamp() * 1000)


def test_no_id_comes_twice_and_each_letter_of_the_alphabet_comes() -> None:
    ids = {SystemClock().new_id() for _ in range(5000)}
    assert len(ids) == 5000
    assert {letter for id in ids for letter in id[10:]} == {*LETTERS}


def test_ids_of_later_moments_stand_behind() -> None:
    clock = SystemClock()
    first = clock.new_id()
    later_id = next(id for id in iter(clock.new_id, "") if id[:10] != first[:10])
    assert first < later_id


def test_things_grow_old_by_a_clock_that_follows_no_jump_ahead_for_a_day() -> None:
    clock = ManualClock()
    settled = SettledClock(clock)
    clock.advance(HOUR)
    clock.jump(40 * DAY)

    assert settled.now() == START + HOUR
    clock.advance(HOUR)
    assert settled.now() == START + 2 * HOUR
    assert not settled.is_settled()
    clock.jump(-40 * DAY)
    assert settled.now() == clock.now()
    assert settled.is_settled()

    # A change that lasts a day is intended, and a clock that is set back is believed at once.
    clock.jump(2 * DAY)
    assert settled.now() == clock.now() - 2 * DAY
    clock.advance(DAY)
    assert settled.now() == clock.now()
    clock.jump(-5 * DAY)
    assert settled.now() == clock.now()


def test_a_start_long_after_the_last_event_is_not_believed_for_a_day_either() -> None:
    """It may be the clock that is wrong."""
    clock = ManualClock()
    settled = SettledClock(clock)
    settled.begin(START - 40 * DAY)

    assert settled.now() == START - 40 * DAY
    clock.advance(DAY)
    assert settled.now() == clock.now()


def test_the_clock_reads_a_replaced_time_source() -> None:
    clock, moment = SystemClock(), datetime(2031, 5, 6, 7, 8, 9, 123_456, tzinfo=UTC)
    ns = round(moment.timestamp() * 1e6) * 1000
    with time_source.replaced(TimeSource(unix_ns=lambda: ns + 999, boottime=lambda: 77.0)):
        assert clock.now() == moment
        assert clock.passed_s() == 77.0
        first_id, second_id = clock.new_id(), clock.new_id()
        assert first_id[:10] == second_id[:10]
    assert clock.now() < moment
