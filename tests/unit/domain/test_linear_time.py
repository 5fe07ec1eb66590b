"""What others wrote is read in time that grows with its length, not with its square: twice the text takes about twice as
long. Ratios, not seconds: a slow machine is slow for both."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from gateway.domain import text
from gateway.domain.document import Draft
from gateway.domain.fields import DRAFT, entries, has_bad_characters, tidy
from gateway.edxml import workbook
from gateway.policy import pdf_fields, pdf_head, recipients_block, texts
from gateway.policy.door import clean_name, stored_names
from gateway.policy.profile import Profile

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
    "indexed": lambda given: text.indexed([given]),
    "marked": lambda given: text.marked(text.SearchRole.SENDER, given),
    "sought": text.sought,
    "hits": lambda given: list(text.hits(given, text.sought("abc"))),
    "collated": text.sort_key,
    "tidied": lambda given: tidy(Draft(subject=given)),
    "checked": lambda given: list(entries(DRAFT, Draft(subject=given))),
    "bad characters": has_bad_characters,
    "normal form": text.nfkd,
    "odd subject": lambda given: list(texts.odd_subject(given, Profile(), "/subject")),
    "stamps": lambda given: texts.stamps_on(given, Profile().secrecy_stamps),
    "legacy letters": lambda given: texts.found_letters([given]),
    "file name": clean_name,
    "name of a signer": pdf_fields._NAME.fullmatch,
    "number of a page": pdf_head._NUMBER.match,
    "format of a cell": lambda given: workbook._QUOTED.sub("", given),
    "recipients": recipients_block.items_of,
}
SMALL, MOST = 4_000, 3.4
# Below this a clock tells nothing of the ratio.
TOO_SHORT_S = 0.02


@pytest.mark.parametrize("bite", list(BITES))
@pytest.mark.parametrize("reader", list(READERS))
def test_twice_the_text_takes_about_twice_as_long(reader: str, bite: str) -> None:
    read = READERS[reader]
    size = SMALL
    for _ in range(3):
        small = _took(read, BITES[bite] * size)
        large = _took(read, BITES[bite] * (2 * size))
        if large < TOO_SHORT_S or large <= MOST * small:
            return
    pytest.fail(f"{2 * size} times took {large:.3f} s, {size} times {small:.3f} s")


def test_a_thousand_files_of_one_name_are_told_apart_in_time_that_grows_with_their_number() -> None:
    small, large = (_took(stored_names, ["a.pdf"] * n) for n in (500, 1000))

    assert large < TOO_SHORT_S or large <= MOST * small
    assert stored_names(["a.pdf"] * 1000)[-1] == "a (1000).pdf"


def test_thirty_marks_of_a_letter_stay_and_no_more() -> None:
    assert text.nfc("o" + "\u0323" * 40) == "\u1ecd" + "\u0323" * 29
    assert text.nfc("Việt Nam " + "ệ" * 500) == "Việt Nam " + "ệ" * 500


@pytest.mark.parametrize("given", ["a.b", "x a.b.c y", "a..b", "1.2.3", ".a.b.", "a.b c.d"])
def test_codes_are_still_found_in_a_text(given: str) -> None:
    found = text.indexed([given])

    assert all(part.replace(".", "") in found for part in given.split() if ".." not in part)


def _took(read: Callable[[Any], Any], given: Any) -> float:
    """The best of three, in time of this process: what else runs on the machine is not counted."""
    took = []
    for _ in range(3):
        began = time.process_time()
        read(given)
        took.append(time.process_time() - began)
    return min(took)
