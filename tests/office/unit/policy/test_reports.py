"""A report's questions: the period before is as long, lines and shares are made of sums."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import partial
from typing import Any

import pytest

from gateway.domain.figures import MEASURES
from gateway.errors import BadForm
from gateway.store.figures import split_into_spans
from gateway_office.book import reports
from gateway_office.policy.reports import REPORTS, By, ColumnForm, Question, make_table, measures_of
from tests.office.support.words import entries
from tests.support.cases import Cases


def question(
    report: str, by: By, first_day: date = date(2026, 3, 1), last_day: date = date(2026, 3, 31)
) -> Question:
    return Question(report=REPORTS[report], by=by, since=first_day, until=last_day)


def test_the_period_before_is_of_as_many_whole_months_or_days(cases: Cases) -> None:
    def check(row: tuple[date, date, date, date]) -> None:
        begin, end, first, last = row
        assert question("incoming", By.DAY, begin, end).before == (first, last)

    cases.check_rows(
        [
            (date(2026, 3, 1), date(2026, 3, 31), date(2026, 2, 1), date(2026, 2, 28)),
            (date(2026, 1, 1), date(2026, 3, 31), date(2025, 10, 1), date(2025, 12, 31)),
            (date(2026, 1, 1), date(2026, 12, 31), date(2025, 1, 1), date(2025, 12, 31)),
            (date(2026, 3, 2), date(2026, 3, 8), date(2026, 2, 23), date(2026, 3, 1)),
            # This month so far is compared with the same days of the month before.
            (date(2026, 11, 1), date(2026, 11, 28), date(2026, 10, 1), date(2026, 10, 28)),
            (date(2026, 3, 1), date(2026, 3, 30), date(2026, 2, 1), date(2026, 2, 28)),
            (date(2026, 1, 1), date(2026, 2, 10), date(2025, 11, 1), date(2025, 12, 10)),
            (date(2026, 3, 1), date(2026, 3, 1), date(2026, 2, 28), date(2026, 2, 28)),
        ],
        check,
    )


def test_a_period_is_read_by_whole_months_and_the_days_at_its_edges(cases: Cases) -> None:
    def check(row: tuple[Any, ...]) -> None:  # Any: two days, then spans
        begin, end, *spans = row
        assert split_into_spans(begin, end) == spans

    year = date(2026, 1, 1), date(2026, 12, 31)
    cases.check_rows(
        [
            (*year, ("m", *year)),
            (date(2026, 3, 2), date(2026, 3, 9), ("d", date(2026, 3, 2), date(2026, 3, 9))),
            (date(2026, 3, 5), date(2026, 4, 4), ("d", date(2026, 3, 5), date(2026, 4, 4))),
            (
                date(2025, 12, 30),
                date(2026, 3, 2),
                ("d", date(2025, 12, 30), date(2025, 12, 31)),
                ("m", date(2026, 1, 1), date(2026, 2, 28)),
                ("d", date(2026, 3, 1), date(2026, 3, 2)),
            ),
            (date(2026, 3, 2), date(2026, 3, 1)),
        ],
        check,
    )


def test_lines_have_shares_and_means_and_totals_are_made_of_sums() -> None:
    sums = {
        "A": {"due": 4, "on_time": 3, "late": 1, "late_s": 7_200, "open_due": 0},
        "B": {"due": 1, "on_time": 0, "late": 1, "late_s": 3_600, "open_due": 0, "overdue": 0},
        "": {"overdue": 2},
    }
    earlier_sums = {"": {"due": 2, "on_time": 1, "late": 1}}
    table = make_table(question("deadlines", By.TYPE), sums, earlier_sums)

    keys = [column.key for column in table.question.columns]
    total = dict(zip(keys, table.total, strict=True))
    assert [line.key for line in table.lines] == ["A", "B"]
    assert dict(zip(keys, table.lines[0].figures, strict=True))["on_time_share"] == 75.0
    assert (total["due"], total["on_time_share"], total["late_hours"], total["overdue"]) == (5, 42.9, 1.5, 2)
    assert table.lines[0].figures[keys.index("overdue")] is None
    assert dict(zip(keys, table.before, strict=True))["on_time_share"] == 50.0


def test_a_share_counts_what_was_done_or_due_and_is_unknown_before() -> None:
    waiting = {"2026-11": {"due": 8, "open_due": 8, "asked": 3, "owed": 3}}
    overdue = {"2026-11": {"due": 8, "open_due": 7, "on_time": 1, "overdue": 1, "asked": 3, "replied": 1}}
    for report, key, part in (
        ("deadlines", "on_time_share", 50.0),
        ("replies-owed", "replied_share", 50.0),
        ("replies-awaited", "replied_share", 50.0),
    ):
        query = question(report, By.MONTH)
        place = [column.key for column in query.columns].index(key)
        assert make_table(query, waiting, {}).total[place] is None
        assert make_table(query, overdue, {}).lines[0].figures[place] == part


def test_each_column_is_made_of_kept_measures_and_has_words() -> None:
    words = entries("vi")
    for report in REPORTS.values():
        sides = ("",) if report.side else ("out", "in", "read")
        for by in report.lines:
            query = question(report.key, by)
            measures = {name for side in sides for name in measures_of(query, side)}
            # Accounts are counted as they are today.
            assert report.of_accounts or measures <= {*MEASURES}
            assert f"report.by.{by}" in words
            assert all(f"report.column.{column.key}" in words for column in query.columns)
            assert all(
                column.measure in MEASURES for column in query.columns if column.form is ColumnForm.OVERDUE
            )
        assert f"report.{report.key}" in words
        assert {*report.drawn} <= {column.key for column in report.columns}


def test_the_review_of_paper_has_its_reasons_below_the_types_of_the_whole_agency() -> None:
    assert question("paper", By.TYPE).also == question("paper", By.REASON)
    assert question("paper", By.MONTH).also is None
    assert replace(question("paper", By.TYPE), units=("P",)).also is None
    assert question("incoming", By.DAY).also is None


def test_lines_of_one_value_are_those_that_are_kept_beside_it() -> None:
    incoming = REPORTS["incoming"]
    times = (By.DAY, By.MONTH, By.QUARTER)

    assert incoming.lines_of(By.PARTNER) == (*times, By.TYPE, By.URGENCY, By.UNIT)
    assert incoming.lines_of(By.TYPE) == (*times, By.URGENCY, By.PARTNER, By.UNIT)
    assert incoming.lines_of(By.URGENCY) == (*times, By.TYPE, By.PARTNER, By.UNIT)
    assert incoming.lines_of(By.UNIT) == incoming.lines
    assert REPORTS["paper"].lines_of(By.UNIT) == (By.TYPE, By.UNIT, By.MONTH)
    assert REPORTS["paper"].lines_of(By.PARTNER) == REPORTS["readings"].lines_of(By.TYPE) == ()


def test_lines_that_are_kept_by_month_have_whole_months_and_others_their_days() -> None:
    ask = partial(reports.ask, REPORTS["incoming"], since=date(2025, 12, 15), until=date(2026, 2, 3))

    pair, unit = ask(by="type", only={"partner": "Z91.02"}), ask(by="partner", units=("P",))
    assert (pair.since, pair.until) == (unit.since, unit.until) == (date(2025, 12, 1), date(2026, 2, 28))
    for question in (ask(by="day", only={"partner": "Z91.02"}), ask(by="unit", only={"type": "Công văn"})):
        assert (question.since, question.until) == (date(2025, 12, 15), date(2026, 2, 3))
    assert ask(by="type", only={"unit": "P"}).units == ("P",)
    owed = reports.ask(REPORTS["replies-owed"], since=pair.since, until=pair.until, units=("P",))
    assert owed.by is By.UNIT
    assert pair.before == (date(2025, 9, 1), date(2025, 11, 30))


@pytest.mark.parametrize(
    ("report", "only", "field"),
    [
        ("incoming", {"partner": "Z91.02", "type": "Công văn"}, "type"),
        ("incoming", {"unit": "P", "urgency": "khan"}, "urgency"),
        ("incoming", {"urgency": "nothing"}, "urgency"),
        ("paper", {"partner": "Z91.02"}, "partner"),
    ],
)
def test_a_report_is_about_one_value_that_it_knows(report: str, only: dict[str, str], field: str) -> None:
    with pytest.raises(BadForm) as caught:
        reports.ask(REPORTS[report], since=date(2026, 3, 1), until=date(2026, 3, 31), only=only)
    assert caught.value.field == field
