"""When the log is sealed, stamped and published, as tables."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from gateway.domain.sealed_log import NO_SEAL, LogHead, PublishedSeal, Seal
from gateway.policy import upkeep
from gateway.policy.upkeep import Rhythm
from tests.support.clock import START
from tests.support.sealed import seal_key

RHYTHM = Rhythm()
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def sealed(size: int, at: datetime, stamp: bytes | None = None) -> PublishedSeal:
    seal = Seal(log_id="0" * 32, number=1, tree_size=size, root=b"r" * 32, previous=NO_SEAL, at=at)
    return PublishedSeal(signed=seal_key().sign(seal), stamp=stamp)


def test_a_seal_is_due_when_something_new_waited_long_enough() -> None:
    for head, due in (
        (LogHead(), False),
        (LogHead(size=1), True),
        (LogHead(size=1, seal=sealed(1, START - DAY)), False),
        (LogHead(size=2, seal=sealed(1, START - MINUTE)), True),
        (LogHead(size=2, seal=sealed(1, START - timedelta(seconds=59))), False),
        (LogHead(size=2, seal=sealed(1, START + DAY)), True),  # the clock was put back
    ):
        assert upkeep.seal_is_due(head, RHYTHM, START) == due


def test_a_stamp_is_due_once_an_hour_publishing_once_a_day_and_a_seal_within_five_minutes() -> None:
    for head, due in (
        (LogHead(), False),
        (LogHead(seal=sealed(1, START)), True),
        (LogHead(seal=sealed(1, START, b"t"), stamped=sealed(1, START, b"t")), False),
        (LogHead(seal=sealed(2, START), stamped=sealed(1, START - HOUR, b"t")), True),
        (LogHead(seal=sealed(2, START), stamped=sealed(1, START - MINUTE, b"t")), False),
    ):
        assert upkeep.stamp_is_due(head, RHYTHM, START) == due

    for head, due in (
        (LogHead(), False),
        (LogHead(seal=sealed(1, START)), True),
        (LogHead(seal=sealed(1, START - 2 * DAY), published_at=START - 2 * DAY), False),
        (LogHead(seal=sealed(1, START), published_at=START - DAY), True),
        (LogHead(seal=sealed(1, START), published_at=START - HOUR), False),
    ):
        assert upkeep.publishing_is_due(head, RHYTHM, START) == due

    assert not upkeep.is_unsealed(LogHead(), START)
    for waits, late in ((5 * MINUTE, False), (5 * MINUTE + timedelta(seconds=1), True)):
        assert upkeep.is_unsealed(LogHead(unsealed_since=START - waits), START) == late
    assert not upkeep.lacks_stamp(LogHead(), HOUR, START)
    for since, most, lacks in ((DAY, timedelta(), False), (DAY, HOUR, True), (MINUTE, HOUR, False)):
        assert upkeep.lacks_stamp(LogHead(unstamped_since=START - since), most, START) == lacks


def words(**head_fields: Any) -> list[tuple[str, str]]:
    from gateway.ops.checks_of_parts import log_findings

    stamped = head_fields.pop("stamped", False)
    return [(x.level, x.cause) for x in log_findings(LogHead(**head_fields), START, stamped=stamped)]


def test_a_doctor_says_what_is_late() -> None:
    fresh = sealed(1, START - MINUTE)

    assert words() == [("green", "log.none")]
    assert words(seal=fresh, size=1) == [("green", "log.fine")]
    assert words(seal=fresh, unsealed_since=START - HOUR) == [("red", "log.unsealed")]
    assert words(seal=fresh, unstamped_since=START - 2 * DAY) == [("green", "log.fine")]
    assert words(seal=fresh, unstamped_since=START - 2 * DAY, stamped=True) == [
        ("green", "log.fine"),
        ("yellow", "log.unstamped"),
    ]
    assert words(seal=fresh, published_at=START - 8 * DAY) == [
        ("green", "log.fine"),
        ("yellow", "log.unpublished"),
    ]
