"""The end of a retention: by class, kind and type, on dated rows; properties over any rows and days."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.retention import (
    DocumentFacts,
    Expiry,
    FileFacts,
    RetentionRow,
    RetentionStart,
    UnknownExpiry,
)
from gateway.policy.retention import document_expiry, file_expiry

CLOSED, YEAR_END, RECALL = RetentionStart
FILE = FileFacts(id="fil_1", code="01", kind="usual", retention="10 năm", closed_on=date(2024, 2, 29))
LETTER = DocumentFacts(id="inb_1", code="7/SNN", types=frozenset({"cong van"}), day=date(2024, 3, 1))


def row(**fields: Any) -> RetentionRow:
    values: dict[str, Any] = {
        "name": "10 năm",
        "months": 120,
        "start": CLOSED,
        "valid_from": date(2000, 1, 1),
        "basis": "QĐ 1",
    }
    return RetentionRow(**(values | fields))


def test_a_period_runs_from_its_start_to_the_same_day_or_the_last_of_a_shorter_month() -> None:
    assert file_expiry(FILE, [row()]).on == date(2034, 2, 28)
    assert file_expiry(FILE, [row(months=48)]).on == date(2028, 2, 29)
    assert file_expiry(FILE, [row(start=YEAR_END)]).on == date(2034, 12, 31)
    assert file_expiry(FILE, [row(name="10 NAM")]).on == date(2034, 2, 28)


def test_a_file_that_is_open_or_of_no_row_has_no_day_but_a_permanent_one_needs_none() -> None:
    still_open = replace(FILE, closed_on=None)
    assert file_expiry(still_open, [row()]).unknown is UnknownExpiry.NOT_CLOSED
    assert file_expiry(still_open, [row(months=None)]).is_permanent
    assert file_expiry(FILE, [row(name="20 năm")]).unknown is UnknownExpiry.NO_ROW
    assert file_expiry(FILE, [row(file_kind="construction")]).unknown is UnknownExpiry.NO_ROW
    classless = replace(FILE, retention=None)
    assert file_expiry(classless, [row()]).unknown is UnknownExpiry.NO_ROW
    assert file_expiry(classless, [row(file_kind="usual")]).on == date(2034, 2, 28)


def test_of_dated_rows_the_one_in_force_at_the_start_counts_and_of_two_the_later() -> None:
    rows = [
        row(months=12, valid_until=date(2024, 2, 28)),
        row(months=24, valid_from=date(2023, 1, 1), valid_until=date(2024, 2, 29)),
        row(months=36, valid_from=date(2024, 2, 29)),
        row(months=48, valid_from=date(2024, 3, 1)),
    ]
    assert file_expiry(FILE, rows).on == date(2027, 2, 28)
    assert file_expiry(FILE, rows[:2]).on == date(2026, 2, 28)
    assert file_expiry(FILE, rows[:1]).unknown is UnknownExpiry.NO_ROW
    same_day = [row(months=36), row(months=60), row(months=12)]
    assert file_expiry(FILE, same_day).on == date(2029, 2, 28)


def test_a_document_stays_as_long_as_the_longest_of_its_files_and_its_type() -> None:
    of_type = row(name="CV", document_type="Công văn", start=YEAR_END, months=24)
    assert document_expiry(LETTER, [of_type]).on == date(2026, 12, 31)
    in_files = replace(LETTER, files=(FILE, replace(FILE, id="fil_2", retention="5 năm")))
    rows = [of_type, row(), row(name="5 năm", months=60)]
    assert document_expiry(in_files, rows).on == date(2034, 2, 28)
    is_open = replace(FILE, id="fil_3", closed_on=None)
    waiting = replace(in_files, files=(*in_files.files, is_open))
    assert document_expiry(waiting, rows).unknown is UnknownExpiry.NOT_CLOSED
    for_ever = replace(waiting, files=(*waiting.files, replace(FILE, retention="Vĩnh viễn")))
    assert document_expiry(for_ever, [*rows, row(name="Vĩnh viễn", months=None)]).is_permanent
    assert document_expiry(LETTER, []).unknown is UnknownExpiry.NO_ROW
    assert document_expiry(replace(LETTER, day=None), [of_type]).unknown is UnknownExpiry.NO_DAY


def test_a_recalled_document_has_a_period_from_the_agreement() -> None:
    of_recall = row(name="Thu hồi", document_type="cong van", start=RECALL, months=1)
    assert document_expiry(LETTER, [of_recall]).unknown is UnknownExpiry.NO_ROW
    recalled = replace(LETTER, recalled_on=date(2024, 1, 31))
    assert document_expiry(recalled, [of_recall]).on == date(2024, 2, 29)


_DAYS = st.dates(date(1990, 1, 1), date(2090, 12, 31))
_ROWS = st.builds(
    row,
    name=st.sampled_from(["10 năm", "5 năm"]),
    months=st.none() | st.integers(1, 1200),
    start=st.sampled_from(list(RetentionStart)),
    valid_from=_DAYS,
    valid_until=st.none() | _DAYS,
    document_type=st.sampled_from(["", "Công văn"]),
    file_kind=st.sampled_from(["", "usual"]),
)
_FILES = st.builds(
    replace, st.just(FILE), retention=st.sampled_from(["10 năm", "5 năm", None]), closed_on=st.none() | _DAYS
)


def length(expiry: Expiry) -> tuple[bool, bool, date]:
    return expiry.is_permanent, expiry.unknown is not None, expiry.on or date.min


@given(st.lists(_ROWS, max_size=6), st.lists(_FILES, max_size=3), st.none() | _DAYS)
def test_an_end_is_one_of_three_never_before_its_start_and_never_shorter_than_that_of_a_file(
    rows: list[RetentionRow], files: list[FileFacts], day: date | None
) -> None:
    end = document_expiry(replace(LETTER, files=tuple(files), day=day), rows)
    assert (end.on is not None) + end.is_permanent + (end.unknown is not None) == 1
    assert length(end) == length(document_expiry(replace(LETTER, files=tuple(files[::-1]), day=day), rows))
    for file in files:
        of_file = file_expiry(file, rows)
        assert length(end) >= length(of_file)
        if of_file.on is not None and file.closed_on is not None:
            assert of_file.on > file.closed_on
            assert of_file.row is not None
            year_end = date(file.closed_on.year, 12, 31)
            assert of_file.row.holds(file.closed_on if of_file.row.start is CLOSED else year_end)


@given(_FILES, st.lists(_ROWS, max_size=5), _ROWS)
def test_a_row_that_is_not_in_force_changes_nothing(
    file: FileFacts, rows: list[RetentionRow], late: RetentionRow
) -> None:
    ended = replace(late, valid_from=date(1980, 1, 1), valid_until=date(1989, 12, 31))
    if file.closed_on is not None:
        with_row, without = file_expiry(file, [*rows, ended]), file_expiry(file, rows)
        assert (with_row.on, with_row.is_permanent) == (without.on, without.is_permanent)
