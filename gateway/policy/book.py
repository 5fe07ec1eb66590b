"""Holds the rules of register books: the columns of each form, gaps and duplicates in a run of numbers, month headings,
and which manual entry is allowed. Pure: values in, decisions out (R32 to R43 books, R99 entries by hand)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from types import MappingProxyType

from gateway.domain.account import NumberingMode
from gateway.domain.book import Book, BookForm, Gap, NumberRun
from gateway.domain.fields import DRAFT, has_bad_characters, has_foreign_digits
from gateway.policy.verdict import Reason, ReasonCode, Verdict, reason

# At most this many gaps are listed; all are counted.
MOST_GAPS = 50
# A catch-up entry registers mail of a system outage; older mail never belonged to this book.
LONGEST_STOP = timedelta(days=366)

_INCOMING = (
    "arrived_on",
    "arrival_number",
    "author",
    "code",
    "issued_on",
    "subject",
    "to_places",
    "handed_over_on",
    "signed_for",
    "note",
)
_OUTGOING = (
    "code",
    "issued_on",
    "subject",
    "signer",
    "recipients",
    "copy_holder",
    "copies",
    "dispatched_on",
    "signed_for",
    "note",
)
_FOLLOW_UP = ("arrival_number", "what", "to_places", "due_on", "progress", "reply", "note")

COLUMNS: Mapping[tuple[Book, BookForm], tuple[str, ...]] = MappingProxyType(
    {
        (Book.INCOMING, BookForm.DECREE_30): _INCOMING,
        (Book.INCOMING, BookForm.CIRCULAR_07): tuple(c for c in _INCOMING if c != "handed_over_on"),
        (Book.OUTGOING, BookForm.DECREE_30): _OUTGOING,
        (Book.OUTGOING, BookForm.CIRCULAR_07): tuple(
            c for c in _OUTGOING if c not in ("dispatched_on", "signed_for")
        ),
        (Book.FOLLOW_UP, BookForm.DECREE_30): _FOLLOW_UP,
        (Book.FOLLOW_UP, BookForm.CIRCULAR_07): _FOLLOW_UP,
    }
)

# Widths are in characters; the texts that people read longest get the widest columns.
WIDTHS: Mapping[str, int] = MappingProxyType(
    {
        **dict.fromkeys(("arrived_on", "issued_on", "handed_over_on", "dispatched_on", "due_on"), 22),
        **dict.fromkeys(("arrival_number", "copies"), 14),
        **dict.fromkeys(("code", "reply"), 18),
        **dict.fromkeys(("author", "signer", "copy_holder", "to_places", "progress"), 24),
        **dict.fromkeys(("recipients", "signed_for", "note"), 30),
        **dict.fromkeys(("subject", "what"), 56),
    }
)
# Lengths of texts; where a document has the same field, its limit.
LENGTHS: Mapping[str, int] = MappingProxyType(
    {
        "sender": DRAFT["recipients/*/name"].longest,
        **{name: DRAFT[name].longest for name in ("subject", "number", "symbol")},
        "register_no": 10,
        "type_name": DRAFT["type"].longest,
        "catch_up": 500,
        "reason": 500,
        "signer": DRAFT["signer/name"].longest,
        "recipients": 1000,
        "copy_holder": 200,
        "note": 500,
    }
)


def run_of(numbers: Iterable[str], *, series: str = "", start: int | None = None) -> NumberRun:
    """Return the gaps and duplicates in one run of numbers. Numbers with a letter ("12a" was inserted) leave no gap and
    fill none. The run begins at `start`, else at its lowest number."""
    counts = Counter(int(number) for number in numbers if is_number(number))
    if not counts:
        return NumberRun(series=series)
    distinct = sorted(counts)
    first = distinct[0] if start is None else min(start, distinct[0])
    gaps, missing = _gaps(first, distinct)
    doubled = tuple(number for number in distinct if counts[number] > 1)
    return NumberRun(
        series=series, first=first, last=distinct[-1], missing=missing, gaps=gaps, doubled=doubled[:MOST_GAPS]
    )


def is_number(text: str) -> bool:
    """Tell whether a text counts in a run. More than 10 digits are no arrival number, and slow to convert."""
    return text.isascii() and text.isdigit() and len(text) <= 10


def _gaps(first: int, numbers: Sequence[int]) -> tuple[tuple[Gap, ...], int]:
    """Return the first gaps between sorted numbers, and the count of all missing ones."""
    gaps: list[Gap] = []
    missing, expected = 0, first
    for number in numbers:
        if number > expected:
            gap = Gap(first=expected, last=number - 1)
            missing += gap.count
            if len(gaps) < MOST_GAPS:
                gaps.append(gap)
        expected = number + 1
    return tuple(gaps), missing


def where_run_begins(mode: NumberingMode) -> int | None:
    """Return 1 for the node's own book (mode B), else None, because other runs begin with their lowest number."""
    return 1 if mode is NumberingMode.B else None


def next_month(latest: date | None, on: date | None) -> tuple[date | None, date | None]:
    """Return the latest month so far, and the month of this day where it begins a new month heading, else None."""
    month = on.replace(day=1) if on is not None else None
    if month is not None and (latest is None or month > latest):
        return month, month
    return latest, None


@dataclass(frozen=True, slots=True, kw_only=True)
class HandEntry:
    """Manual entry, as far as the rules need it: its texts by field, its dates and the number typed. `is_catch_up`: it
    makes up for a system outage."""

    texts: Mapping[str, str | None]
    needed: frozenset[str]
    issued_on: date | None
    day: date
    given_number: str | None
    is_catch_up: bool


def check_entry(entry: HandEntry, mode: NumberingMode, today: date) -> Verdict:
    """Return every broken rule of a manual entry. Modes A and C take a given number; in mode B the book gives it."""
    return Verdict(reasons=(*_texts(entry), *_number(entry, mode), *_days(entry, today)))


def check_text(field: str, text: str) -> Verdict:
    """Check one required text of a field."""
    return Verdict(reasons=tuple(_text(field, text, is_needed=True)))


def _texts(entry: HandEntry) -> Iterator[Reason]:
    for field, text in entry.texts.items():
        yield from _text(field, text, is_needed=field in entry.needed)


def _text(field: str, text: str | None, *, is_needed: bool) -> Iterator[Reason]:
    words = (text or "").strip()
    if is_needed and not words:
        yield reason(ReasonCode.MISSING, f"/{field}", field=field)
    if len(words) > LENGTHS[field]:
        yield reason(ReasonCode.TOO_LONG, f"/{field}", field=field, length=len(words), limit=LENGTHS[field])
    if has_bad_characters(words) or (field in ("number", "symbol") and has_foreign_digits(words)):
        yield reason(ReasonCode.BAD_CHARACTERS, f"/{field}", field=field)


def _number(entry: HandEntry, mode: NumberingMode) -> Iterator[Reason]:
    if mode is NumberingMode.B and entry.given_number is not None:
        yield reason(ReasonCode.BOOK_GIVES, "/register_no", field="register_no")
    if mode is not NumberingMode.B and not (entry.given_number or "").strip():
        yield reason(ReasonCode.MISSING, "/register_no", field="register_no")


def _days(entry: HandEntry, today: date) -> Iterator[Reason]:
    """Check the dates. A document of last year belongs in that year's book, which only a catch-up entry opens again."""
    least = today - LONGEST_STOP if entry.is_catch_up else today.replace(month=1, day=1)
    if not least <= entry.day <= today:
        yield reason(ReasonCode.BOOK_DAY, "/received_on", given_on=entry.day, least_on=least, most_on=today)
    if entry.issued_on is not None and entry.issued_on > today:
        yield reason(ReasonCode.DATE_IN_FUTURE, "/issued_on", given_on=entry.issued_on, today_on=today)
