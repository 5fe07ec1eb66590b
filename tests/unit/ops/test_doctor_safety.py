"""What the doctor says of the scanner and of the sealed hold."""

from __future__ import annotations

import pytest

from gateway.ops.doctor_checks import hold_findings, scanner_finding
from gateway.ports import ScannerState
from gateway.words import labels


@pytest.mark.parametrize(
    ("word", "level"), [("off", "yellow"), ("ok", "green"), ("down", "red"), ("late", "red")]
)
def test_a_scanner_that_does_not_answer_is_red_and_one_that_is_not_there_yellow(
    word: str, level: str
) -> None:
    told = scanner_finding(ScannerState(word=word, detail="ClamAV 1"))

    assert told.level == level
    assert labels.say(f"doctor.{told.cause}", "vi", **told.params)


@pytest.mark.parametrize(
    ("counts", "has_recipient", "levels"),
    [
        ({}, True, ["green"]),
        ({}, False, ["green"]),
        ({"frozen": 1}, False, ["red"]),
        ({"frozen": 1}, True, ["yellow"]),
        ({"sealed": 2}, True, ["yellow"]),
        ({"frozen": 1, "sealed": 2}, False, ["red", "yellow"]),
    ],
)
def test_an_open_incident_is_seen_and_one_that_cannot_be_sealed_is_red(
    counts: dict[str, int], has_recipient: bool, levels: list[str]
) -> None:
    told = hold_findings(counts, has_recipient=has_recipient)

    assert [each.level for each in told] == levels
    assert all(labels.say(f"doctor.{each.cause}", "en", **each.params) for each in told)
