"""The list of threats is whole, and the table that is made of it tells what is wanting."""

from __future__ import annotations

from tests.support.cases import Cases
from tests.threats import table
from tests.threats.table import Result, Threat

LAST_OF_THE_SPECIFICATION = 122
THREATS = {1: Threat(n=1, title="One", outcome=("rej-sec",))}
TEST = "tests/hostile/test_x.py::test_threat_001_one"


def test_every_number_is_there_once_and_in_order_with_a_title_and_an_outcome() -> None:
    threats = table.load()

    assert list(threats) == list(range(1, len(threats) + 1))
    assert len(threats) >= LAST_OF_THE_SPECIFICATION
    assert len({threat.title for threat in threats.values()}) == len(threats)
    for threat in threats.values():
        assert threat.title
        assert threat.outcome
        assert set(threat.outcome) <= set(table.WORDS)


def test_the_numbers_stand_in_a_tests_name() -> None:
    numbers = {
        "tests/a.py::test_threat_045_a_list": (45,),
        "tests/a.py::test_threats_079_082_markup[x]": (79, 82),
        "tests/a.py::test_threat_052_105_a_body": (52, 105),
        "tests/a.py::test_threat_110_02_and_03_stand": (110,),
        "tests/a.py::test_a_key_is_422_threat_87": (87,),
        "tests/a.py::test_each_threat_in_a_file[093-cdata-embedded]": (93,),
        "tests/threats/test_a.py::test_a_threat_of_no_number": (),
        "tests/a.py::test_another[threat_5]": (),
    }
    assert {test: table.numbers(test) for test in numbers} == numbers


def test_a_case_of_a_table_is_a_result_of_its_own() -> None:
    recorded: list[tuple[str, object]] = []
    cases = Cases()
    with table.tried(cases, lambda *pair: recorded.append(pair), "093-cdata", "embedded") as say:
        say("admitted")
    with table.tried(cases, lambda *pair: recorded.append(pair), "094-moved", "embedded"):
        raise ValueError("it fell")

    *results, _ = table.results_of("tests/a.py::test_each_threat", "failed", recorded)

    assert [(result.numbers, result.state, result.entry) for result in results] == [
        ((93,), "passed", "embedded"),
        ((94,), "failed", "embedded"),
    ]
    assert results[0].recorded["outcome"] == "admitted"


def test_a_line_tells_what_is_wanting() -> None:
    passed, failed = Result(test=TEST, state="passed"), Result(test=TEST, state="failed")
    for results, lacks in (
        ([], "no test"),
        ([passed], ""),
        ([passed, failed], f"1 failed: {TEST}"),
        ([Result(test=TEST, state="skipped")], f"1 not run: {TEST}"),
        ([Result(test=TEST, state="passed", recorded={"outcome": "explained"})], ""),
        ([Result(test=TEST, state="passed", recorded={"outcome": "admitted"})], "another outcome: admitted"),
    ):
        (line,) = table.lines(THREATS, results)
        assert line.lacks == lacks


def test_a_number_that_only_a_test_has_is_told_and_a_threat_without_a_door_needs_no_test() -> None:
    lines = list(table.lines(THREATS, [Result(test="tests/a.py::test_threat_7_x", state="passed")]))

    assert [(line.threat.n, line.lacks) for line in lines] == [(1, "no test"), (7, "it is not in the list")]

    (line,) = table.lines({1: Threat(n=1, title="One", outcome=("safe",), no_door="No such door.")}, [])

    assert line.lacks == ""
    assert "No such door." in table.text([line])


def test_the_tried_doors_are_listed() -> None:
    results = [
        Result(test=TEST, state="passed"),
        Result(test=TEST, state="passed", recorded={"entry": "broker", "outcome": "rej-sec"}),
    ]

    (line,) = table.lines(THREATS, results)

    assert line.entries == ("broker", "verifier")
    assert line.outcomes == ("rej-sec",)
