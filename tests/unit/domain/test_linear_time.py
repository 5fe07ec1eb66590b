"""Foreign text is read with work that grows with its length, not with its square: twice the text takes about twice as
many steps. Steps are counted (tests/support/work.py), so a slow machine finds what a fast one does."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from gateway.domain import fields, text
from gateway.domain.document import Draft
from gateway.domain.fields import DRAFT, entries, has_bad_characters, tidy
from gateway.edxml import workbook
from gateway.policy import admission, pdf_fields, pdf_head, recipients_block, texts
from gateway.policy.admission import clean_name, stored_names
from gateway.policy.profile import Profile
from tests.support.cases import Cases
from tests.support.patterns import attacks_on
from tests.support.work import TooMuchWork, Work

MODULES = (text, fields, workbook, pdf_fields, pdf_head, recipients_block, texts, admission)
BITES = {
    "one word": "a",
    "accented word": "ạ",
    "dotted word": "a.",
    "digits": "1",
    "marks": "\u0301\u0323",
    "marks out of order": "\u0323\u0301\u031b",
    "open brackets": "[",
    "quotes": '"',
    "colons": "a:",
    "blanks": " ",
    "old font": "«1",
    "initials": "A.",
    "hyphens": "a-",
    "code": "Z91.",
    "ampersands": "a&",
}
READERS: dict[str, Callable[[str], Any]] = {
    "indexed": lambda t: text.indexed([t]),
    "marked": lambda t: text.marked(text.SearchRole.SENDER, t),
    "sought": text.sought,
    "hits": lambda t: list(text.hits(t, text.sought("abc"))),
    "collated": text.sort_key,
    "tidied": lambda t: tidy(Draft(subject=t)),
    "checked": lambda t: list(entries(DRAFT, Draft(subject=t))),
    "bad characters": has_bad_characters,
    "normal form": text.nfkd,
    "odd subject": lambda t: list(texts.odd_subject(t, Profile(), "/subject")),
    "stamps": lambda t: texts.stamps_on(t, Profile().secrecy_stamps),
    "legacy letters": lambda t: texts.found_letters([t]),
    "file name": clean_name,
    "name of a signer": lambda t: pdf_fields._NAME.fullmatch(t),
    "number of a page": lambda t: pdf_head._NUMBER.match(t),
    "format of a cell": lambda t: workbook._QUOTED.sub("", t),
    "recipients": recipients_block.items_of,
}
SIZE, MOST = 64, 2.3
# What a reader does whatever it is given.
AT_ONCE = 500
MEGABYTE = 1024 * 1024


def steps(read: Callable[[Any], Any], text_read: Any) -> int:
    work = Work()
    _forget_patterns()
    with work.counted(*MODULES):
        read(text_read)
    _forget_patterns()
    return work.steps


def _forget_patterns() -> None:
    for cached in (texts._whole_words, texts._spaced_letters):
        cached.cache_clear()


def test_twice_the_text_takes_about_twice_the_work_and_a_megabyte_is_read_to_its_end(cases: Cases) -> None:
    for reader, read in READERS.items():
        for name, bite in BITES.items():
            with cases.case(f"{reader}, {name}"):
                small, large = (steps(read, bite * count) for count in (SIZE, 2 * SIZE))
                assert large <= MOST * small + AT_ONCE

    # What takes the square of its length outside of what is counted would take days.
    megabyte = "".join(bite * (MEGABYTE // len(BITES) // len(bite)) for bite in BITES.values())
    for reader, read in READERS.items():
        with cases.case(reader):
            read(megabyte)


def test_a_pattern_that_takes_the_square_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the figures above would prove nothing: tried from each letter of a long word, and with two repeats that
    may share a run in every way."""
    for pattern in (r"[^\W_]+(?:\.[^\W_]+)+", r"a*a*b"):
        monkeypatch.setattr(workbook, "_QUOTED", re.compile(pattern))
        small, large = (steps(READERS["format of a cell"], "a" * count) for count in (SIZE, 2 * SIZE))
        assert large > MOST * small + AT_ONCE


def assert_linear(pattern: re.Pattern[Any], method: str, attacks: Iterable[tuple[str, str]]) -> None:
    for start, eaten in dict.fromkeys(attacks):
        end = "\0"  # so that no repeat ends well by itself
        short, long = (f"{start}{eaten * count}{end}" for count in (SIZE // 2, SIZE))
        small, large = (steps_of(pattern, method, subject) for subject in (short, long))
        assert large <= MOST * small + AT_ONCE // 5, (start, eaten, end)
        assert large < enough(long), (start, eaten, end)


def enough(subject: str) -> int:
    """Return a number of steps above what any pattern needs that goes through a text a few times."""
    return 20_000 + 40 * len(subject)


def steps_of(pattern: re.Pattern[Any], method: str, subject: str) -> int:
    """Count the steps of a pattern, up to a number that is enough to fail by."""
    most = enough(subject)
    is_bytes = isinstance(pattern.pattern, bytes)
    try:
        return Work(most).of_pattern(
            pattern, method, subject.encode("latin-1", "ignore") if is_bytes else subject
        )
    except TooMuchWork:
        return most


def test_a_pattern_of_a_table_that_takes_the_square_is_detected() -> None:
    for pattern, method in (
        (r"[A-Z]{2,}(?:-[A-Z0-9]+)+", "search"),
        (r"(a|aa)+b", "match"),
        (r"x\s*\s*y", "search"),
    ):
        compiled = re.compile(pattern)
        with pytest.raises(AssertionError):
            assert_linear(compiled, method, attacks_on(compiled))


def test_codes_are_found_files_of_one_name_told_apart_and_thirty_marks_stay() -> None:
    for subject in ("a.b", "x a.b.c y", "a..b", "1.2.3", ".a.b.", "a.b c.d"):
        indexed = text.indexed([subject])
        assert all(part.replace(".", "") in indexed for part in subject.split() if ".." not in part), subject

    small, large = (steps(stored_names, ["a.pdf"] * count) for count in (100, 200))

    assert large <= MOST * small
    assert stored_names(["a.pdf"] * 1000)[-1] == "a (1000).pdf"

    assert text.nfc("o" + "\u0323" * 40) == "\u1ecd" + "\u0323" * 29
    assert text.nfc("Việt Nam " + "ệ" * 500) == "Việt Nam " + "ệ" * 500
