"""The doctor's findings about the scanner and the sealed hold."""

from __future__ import annotations

from gateway.ops.checks_of_parts import hold_findings, scanner_finding
from gateway.ports.services import ScannerState
from gateway.words import labels


def test_a_scanner_that_does_not_answer_is_red_and_one_that_is_not_there_yellow() -> None:
    for word, level in (("off", "yellow"), ("ok", "green"), ("down", "red"), ("late", "red")):
        finding = scanner_finding(ScannerState(word=word, detail="ClamAV 1"))
        assert finding.level == level
        assert labels.say(f"doctor.{finding.cause}", "vi", **finding.params)


def test_an_open_incident_is_seen_and_one_that_cannot_be_sealed_is_red() -> None:
    rows: list[tuple[dict[str, int], bool, list[str]]] = [
        ({}, True, ["green"]),
        ({}, False, ["green"]),
        ({"frozen": 1}, False, ["red"]),
        ({"frozen": 1}, True, ["yellow"]),
        ({"sealed": 2}, True, ["yellow"]),
        ({"frozen": 1, "sealed": 2}, False, ["red", "yellow"]),
    ]
    for counts, has_recipient, levels in rows:
        findings = [*hold_findings(counts, has_recipient=has_recipient)]
        assert [finding.level for finding in findings] == levels
        assert all(labels.say(f"doctor.{finding.cause}", "en", **finding.params) for finding in findings)
