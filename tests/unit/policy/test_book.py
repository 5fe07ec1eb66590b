"""Runs of numbers, months, forms and what may be entered by hand: over any numbers, gaps are exactly what is missing."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.account import NumberingMode
from gateway.domain.book import Book, BookForm, BookLine, Gap, NumberRun
from gateway.policy import book as rules
from gateway.policy.verdict import ReasonCode
from gateway.words import labels

TODAY = date(2026, 11, 20)


def line(on: date | None) -> BookLine:
    return BookLine(subject_id="x", number="1", on=on, cells={})


def codes(day: date, *, catch_up: bool = False, issued_on: date | None = None) -> list[ReasonCode]:
    hand_entry = rules.HandEntry(
        texts={"sender": "A", "subject": "B"},
        needed=frozenset({"sender", "subject"}),
        issued_on=issued_on,
        day=day,
        given_number=None,
        is_catch_up=catch_up,
    )
    return [reason.code for reason in rules.check_entry(hand_entry, NumberingMode.B, TODAY).reasons]


@given(st.sets(st.integers(1, 400), min_size=1), st.sampled_from([None, 1]))
def test_gaps_are_exactly_the_numbers_that_no_line_has(numbers: set[int], start: int | None) -> None:
    run = rules.run_of((str(n) for n in numbers), start=start)

    first = start or min(numbers)
    absent = set(range(first, max(numbers) + 1)) - numbers
    missing_numbers = {n for gap in run.gaps for n in range(gap.first, gap.last + 1)}
    assert run.missing == len(absent)
    assert missing_numbers <= absent
    assert missing_numbers == absent or len(run.gaps) == rules.MOST_GAPS
    assert run.is_whole == (not absent)


def test_the_printed_book_has_no_gap_one_line_for_a_date_and_texts_as_long_as_their_columns() -> None:
    run = rules.run_of(["1", "2a", "03", "3", "x", "9" * 30])

    assert run == NumberRun(first=1, last=3, missing=1, gaps=(Gap(first=2, last=2),), doubled=(3,))

    # A4 across has 277 mm between its margins; a date of ten points needs 21.5 with its padding in
    # the widest of the fonts, and a number of five digits 13.
    for columns in rules.COLUMNS.values():
        total = sum(rules.WIDTHS[column] for column in columns)
        dates = [column for column in columns if column.endswith("_on")]
        assert all(277 * rules.WIDTHS[column] / total >= 21.5 for column in dates), columns
        numbers = [column for column in columns if column in ("arrival_number", "copies")]
        assert all(277 * rules.WIDTHS[column] / total >= 13 for column in numbers), columns

    assert rules.check_text("reason", "x" * 500).allowed
    assert [x.code for x in rules.check_text("reason", "x" * 501).reasons] == [ReasonCode.TOO_LONG]
    assert [x.code for x in rules.check_text("reason", "a\x00b").reasons] == [ReasonCode.BAD_CHARACTERS]


@given(st.lists(st.one_of(st.none(), st.dates(date(2026, 1, 1), date(2026, 12, 31))), max_size=40))
def test_no_month_begins_twice_and_none_before_an_earlier_one(days: list[date | None]) -> None:
    latest, headings = None, []
    for day in days:
        latest, heading = rules.next_month(latest, day)
        headings += [heading] if heading is not None else []

    assert headings == sorted(set(headings))
    dated = [day for day in days if day is not None]
    assert bool(headings) == bool(dated)


def test_forms_have_the_columns_of_their_regulation() -> None:
    counts = {key: len(columns) for key, columns in rules.COLUMNS.items()}

    assert counts == {
        (Book.INCOMING, BookForm.DECREE_30): 10,
        (Book.OUTGOING, BookForm.DECREE_30): 10,
        (Book.INCOMING, BookForm.CIRCULAR_07): 9,
        (Book.OUTGOING, BookForm.CIRCULAR_07): 8,
        (Book.FOLLOW_UP, BookForm.DECREE_30): 7,
        (Book.FOLLOW_UP, BookForm.CIRCULAR_07): 7,
    }
    for columns in rules.COLUMNS.values():
        assert all(labels.has(f"book.column.{column}") and rules.WIDTHS[column] for column in columns)


def test_days_of_receipt_have_their_bounds() -> None:
    assert codes(TODAY) == []
    assert codes(date(2026, 1, 1)) == []
    assert codes(TODAY + timedelta(days=1)) == [ReasonCode.BOOK_DAY]
    assert codes(date(2025, 12, 31)) == [ReasonCode.BOOK_DAY]
    assert codes(date(2025, 12, 31), catch_up=True) == []
    assert codes(TODAY - timedelta(days=366), catch_up=True) == []
    assert codes(TODAY - timedelta(days=367), catch_up=True) == [ReasonCode.BOOK_DAY]
    assert codes(TODAY, issued_on=TODAY + timedelta(days=1)) == [ReasonCode.DATE_IN_FUTURE]
