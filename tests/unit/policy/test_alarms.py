"""When persons get a message about a fault: once when it has stood, once a day, once at its end; a fault that follows
from another one, or a yellow one at night, waits."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest

from gateway.domain.alarm import Alarm, MessageKind
from gateway.domain.diagnosis import Diagnosis, Level, Tag, red, yellow
from gateway.errors import Misconfigured
from gateway.ops.checks import CHECKS
from gateway.policy import alarms as rules
from tests.support.cases import Cases

ROOT = Path(__file__).parents[3]
NOON = datetime(2026, 11, 30, 5, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
AXIS, WORKERS = red("axis", "axis.down", reason="gone"), red("workers", "workers.none")
QUEUES, LOW = (
    Diagnosis("queues", Level.YELLOW, "queues.lying", source="queues"),
    yellow("disk", "disk.low", path="/x"),
)
FULL, SKIPPED = (
    red("disk", "disk.low", path="/x"),
    Diagnosis("queues", Level.SKIPPED, "before", source="queues"),
)
PROVINCE, ALL_AXES = red("axis.province", "axis.down"), red("axis", "axis.down")


def messages_of(*looks: tuple[float, list[Diagnosis]], quiet: bool = False) -> list[tuple[float, str, str]]:
    """Look at these minutes with these findings; return the messages on one channel: minute, kind, check."""
    alarms: Mapping[str, Alarm] = {}
    messages = []
    for minute, findings in looks:
        now = NOON + minute * MINUTE
        alarms = rules.update(alarms, findings, now, lambda: "alm")
        alarms = {key: alarm for key, alarm in alarms.items() if not rules.is_done(alarm, ["mail"])}
        for key, alarm in alarms.items():
            if kind := rules.next_message(alarm, "mail", now, is_quiet=quiet):
                messages.append((minute, str(kind), alarm.finding.check))
                alarms = {**alarms, key: rules.record_message(alarm, "mail", kind, now)}
    return messages


def every(first: int, last: int, *findings: Diagnosis) -> list[tuple[float, list[Diagnosis]]]:
    return [(minute, [*findings]) for minute in range(first, last)]


Look = tuple[float, list[Diagnosis]]
CASES: dict[str, tuple[list[Look], list[tuple[float, str, str]]]] = {
    "a fault that goes by itself": ([*every(0, 4, AXIS), *every(4, 9)], []),
    "stands": ([*every(0, 9, AXIS), *every(9, 20)], [(5, "opened", "axis"), (11, "ended", "axis")]),
    "comes and goes": (
        [*every(0, 8, AXIS), *every(8, 10), *every(10, 14, AXIS), *every(14, 20)],
        [(5, "opened", "axis"), (16, "ended", "axis")],
    ),
    "comes back in the minute after its end": (
        [*every(0, 8, AXIS), *every(8, 11), *every(11, 18, AXIS)],
        [(5, "opened", "axis"), (10, "ended", "axis"), (16, "opened", "axis")],
    ),
    "a day": (
        [(0, [FULL]), (1, [FULL]), (1439, [FULL]), (1441, [FULL])],
        [(1, "opened", "disk"), (1441, "stands", "disk")],
    ),
    "a witness's yellow finding stands for an hour": (
        [*every(0, 70, yellow("witnesses", "witnesses.unproved", names="south (7)"))],
        [(60, "opened", "witnesses")],
    ),
    "worse": ([*every(0, 17, LOW), *every(17, 20, FULL)], [(15, "opened", "disk"), (17, "worse", "disk")]),
    "explained": (
        [*every(0, 20, QUEUES, WORKERS), *every(20, 30, QUEUES)],
        [(1, "opened", "workers"), (22, "ended", "workers"), (24, "opened", "queues")],
    ),
    "one of several axes explains no other": (
        every(0, 7, PROVINCE, red("axis.ministry", "axis.down")),
        [(5, "opened", "axis.province"), (5, "opened", "axis.ministry")],
    ),
    "all axes": (every(0, 7, PROVINCE, ALL_AXES), [(5, "opened", "axis")]),
    "unknown meanwhile": (
        [*every(0, 7, QUEUES), *every(7, 30, SKIPPED), *every(30, 33, QUEUES)],
        [(5, "opened", "queues")],
    ),
    "chosen": (every(0, 2000, yellow("backup", "backup.beside")), []),
    "a clock that was ahead": (
        [*every(180, 187, AXIS), *every(0, 4, AXIS), *every(4, 9)],
        [(185, "opened", "axis"), (6, "ended", "axis")],
    ),
    "keys in a folder that is away": (
        every(0, 9, red("folder.keys", "folder.unmarked"), red("keys", "keys.none")),
        [(1, "opened", "folder.keys")],
    ),
    "a pause of the looks": ([(0, [AXIS]), (600, [AXIS])], []),
}


@pytest.mark.parametrize("name", CASES)
def test_a_fault_is_told_when_it_has_stood_once_a_day_and_at_its_end(name: str) -> None:
    looks, messages = CASES[name]

    assert messages_of(*looks) == messages


def test_at_night_what_is_red_is_told_and_what_is_yellow_waits_also_with_its_end() -> None:
    looks = [*every(0, 20, LOW, AXIS), *every(20, 30)]

    assert messages_of(*looks, quiet=True) == [(5, "opened", "axis"), (22, "ended", "axis")]


def test_what_was_never_told_and_is_over_is_told_once_as_over() -> None:
    alarms: Mapping[str, Alarm] = {}
    for minute, findings in [*every(0, 20, LOW), *every(20, 30)]:
        alarms = rules.update(alarms, findings, NOON + minute * MINUTE, lambda: "alm")
    (alarm,) = alarms.values()

    assert rules.next_message(alarm, "mail", NOON + DAY, is_quiet=False) is MessageKind.ENDED
    assert rules.is_done(rules.record_message(alarm, "mail", MessageKind.ENDED, NOON + DAY), ["mail"])


def test_quiet_hours_are_those_of_the_wall_clock_and_may_span_midnight(cases: Cases) -> None:
    def check(row: tuple[str, int, bool]) -> None:
        text, hour, is_quiet = row
        assert (
            rules.is_quiet(rules.read_quiet(text), datetime(2026, 11, 30, (hour - 7) % 24, tzinfo=UTC))
            is is_quiet
        )

    rows = [("22:00-06:00", 23, True), ("22:00-06:00", 5, True), ("22:00-06:00", 6, False)]
    cases.check_rows([*rows, ("12:00-13:00", 12, True), ("12:00-13:00", 13, False), ("", 3, False)], check)
    assert rules.read_quiet("22:00 - 06:00") == (time(22), time(6))
    with pytest.raises(Misconfigured):
        rules.read_quiet("at night")


def test_every_rule_is_about_checks_that_are_made_for_alarms() -> None:
    """The names of findings that a check makes beside its own are those of the doctor's page."""
    page = (ROOT / "docs" / "operations.md").read_text("utf-8")
    names = {check.name for check in CHECKS if Tag.METRICS in check.tags}

    assert [name for name in rules.RULE_BY_CHECK if name not in names and f"`{name}`" not in page] == []
