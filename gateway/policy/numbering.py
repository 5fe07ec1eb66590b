"""Rules of the numbers and notations of outgoing documents: the series that a document belongs to (R33), the notation that
its type and agency suggest (R35), a number out of its order, and the capacity in which it is signed (R28). In: a draft,
the agency's tables from its profile, used numbers, registered certificates. Out: a series, a proposed notation, warnings.
Pure. The tables are texts of the profile, which are parsed once."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache

from gateway.domain.account import NumberingMode
from gateway.domain.agency_profile import UNIT_MARK, split_table
from gateway.domain.book import end_of_run
from gateway.domain.document import Draft
from gateway.domain.numbers import OutgoingBook, Series, printed
from gateway.domain.seals import CAPACITIES, RegisteredCertificate
from gateway.domain.text import fold, nfc
from gateway.policy.profile import Profile
from gateway.policy.verdict import Reason, ReasonCode, reason
from gateway.words import labels
from gateway.words.reading import ABBREVIATIONS

LETTER, LETTER_MARK = "cong_van", "CV"
INTRODUCTION = "gioi_thieu_dau"
"""Type of a letter with specimens of a seal and of signatures."""
YEAR_MARK, REST_MARK = "YYYY", "*"
RESERVED_DAYS, MOST_RESERVED_DAYS = 3, 30
_COPIES = ("SY", "TrS", "SL")
# Types that are always normative, so that their notation begins with the year.
_NORMATIVE = frozenset({"luat", "phap_lenh", "nghi_dinh", "thong_tu", "thong_tu_lien_tich"})
_YEAR = re.compile(r"(?:19|20)\d{2}")
_LAST_BOOK = OutgoingBook(key="HC", name="", marks=(REST_MARK,), by_type=True)


def gives_numbers(profile: Profile) -> bool:
    """Tell whether the node gives the numbers of the agency's outgoing documents."""
    return profile.out_numbering == NumberingMode.B


@lru_cache(maxsize=64)
def read_books(text: str) -> tuple[OutgoingBook, ...]:
    """Read the agency's table of books; a last book for all other documents is always there."""
    books = [
        OutgoingBook(
            key=key,
            name=name,
            marks=tuple(mark.strip() for mark in marks.split(",") if mark.strip()),
            by_type=series == "type",
        )
        for key, name, marks, series in split_table(text)
    ]
    return (*books, _LAST_BOOK)


def series_of(profile: Profile, symbol: str, type_key: str | None = None) -> Series:
    """Return the series that a notation belongs to. The type counts where the notation names none."""
    parts = _parts(symbol)
    symbol_type = type_of(symbol, profile)
    own_key = symbol_type if symbol_type != LETTER else type_key or LETTER
    marks = {part.casefold() for part in parts} | {REST_MARK}
    if own_key == LETTER:
        marks.add(LETTER_MARK.casefold())
    elif (mark := mark_of_type(own_key, profile)) is not None:
        marks.add(mark.casefold())
    if any(_YEAR.fullmatch(part) for part in parts):
        marks.add(YEAR_MARK.casefold())
    books = read_books(profile.out_books)
    book = next(b for b in books if marks & {mark.casefold() for mark in b.marks})
    if not book.by_type:
        return Series(key=book.key, book=book)
    return Series(key=f"{book.key}.{own_key}", book=book, type_key=own_key)


def type_of(symbol: str, profile: Profile) -> str:
    """Return the key of the type that a notation names, after a year if there is one; a letter where it names none."""
    parts = [part for part in _parts(symbol) if not part.isdigit()]
    first = parts[0].casefold() if parts else ""
    own = {mark.casefold(): key for key, mark in _own_marks(profile.type_marks).items()}
    usual = {short.casefold(): key for short, key in ABBREVIATIONS.items()}
    return own.get(first) or usual.get(first) or LETTER


def mark_of_type(type_key: str, profile: Profile) -> str | None:
    """Return the abbreviation of a type in notations: the agency's own, else the usual one."""
    usual = next((short for short, key in ABBREVIATIONS.items() if key == type_key), None)
    return _own_marks(profile.type_marks).get(type_key, usual)


@lru_cache(maxsize=64)
def _own_marks(text: str) -> Mapping[str, str]:
    """Read the agency's table of type marks; a type is written as its key or its name."""
    return {type_key_of(name) or name: mark for name, mark in split_table(text)}


@lru_cache(maxsize=256)  # asked for every document
def type_key_of(name: str) -> str | None:
    """Return the key of a type by its name."""
    keys = (key for key in labels.tails("type") if fold(labels.say(f"type.{key}", "vi")) == fold(name))
    return next(keys, None)


def propose_symbol(profile: Profile, type_key: str | None, year: int, *, is_normative: bool = False) -> str:
    """Propose the notation of a type; empty where the agency's abbreviation is not set or the type has none. The unit of a
    letter is left to the person where there is not exactly one."""
    agency = profile.abbreviation
    if not agency or not type_key:
        return ""
    if type_key == LETTER:
        units = _unit_marks(profile)
        return f"{agency}-{units[0]}" if len(units) == 1 else agency
    mark = mark_of_type(type_key, profile)
    if mark is None:
        return ""
    begins = f"{year}/" if is_normative or type_key in _NORMATIVE else ""
    return f"{begins}{mark}-{agency}"


def warn_of_notation(profile: Profile, draft: Draft, today: date) -> Iterator[Reason]:
    """Warn of a notation that names another type than the document's, or has another shape than the agency's tables
    suggest, and of a number below 10 without its zero. It is kept as it was typed."""
    if draft.number.isascii() and draft.number.isdigit() and len(draft.number) == 1:
        padded = printed(int(draft.number))
        yield reason(ReasonCode.NUMBER_SHAPE, "/number", given=draft.number, suggest=padded)
    symbol = "".join(draft.symbol.split())
    if not symbol:
        return
    year, symbol_type = (draft.issued_on or today).year, type_of(symbol, profile)
    type_key = draft.type_key or type_key_of(draft.type_name or "") or symbol_type
    suggestion = propose_symbol(
        profile, type_key, year, is_normative=_YEAR.match(symbol) is not None and type_key != LETTER
    )
    if symbol_type not in (LETTER, type_key):
        params = {"given": draft.symbol, "named": symbol_type, "stated": type_key}
        yield reason(ReasonCode.NOTATION_TYPE, "/symbol", suggest=suggestion or None, **params)
        return
    if not suggestion or _is_own_shape(profile, symbol, type_key, suggestion):
        return
    yield reason(ReasonCode.NOTATION_SHAPE, "/symbol", given=draft.symbol, suggest=suggestion)


def _is_own_shape(profile: Profile, symbol: str, type_key: str, suggestion: str) -> bool:
    if symbol.casefold() == suggestion.casefold():
        return True
    parts, agency = _parts(symbol), profile.abbreviation.casefold()
    if parts and parts[0].casefold() in {mark.casefold() for mark in _COPIES}:
        return "-".join(parts[1:]).casefold() == agency
    begins = f"{profile.abbreviation}-".casefold()
    if type_key == LETTER:
        units = {mark.casefold() for mark in _unit_marks(profile)}
        unit = symbol.casefold().removeprefix(begins)
        is_of_agency = symbol.casefold().startswith(begins) and bool(unit)
        return is_of_agency and (not units or unit in units)
    # A council or a team that issues under the agency's seal has a book with its own mark in place of the agency's.
    head = suggestion.rpartition(profile.abbreviation)[0].casefold()
    tail = symbol.casefold().removeprefix(head)
    book_marks = {mark.casefold() for book in read_books(profile.out_books) for mark in book.marks}
    return symbol.casefold().startswith(head) and tail in book_marks


def _unit_marks(profile: Profile) -> list[str]:
    """Return the marks of units; a text that is none, as of an earlier version, is left out."""
    return [mark for part in profile.unit_marks.split(",") if (mark := UNIT_MARK.read(part))]


def _parts(symbol: str) -> list[str]:
    return [part.strip() for part in re.split(r"[-/]", symbol) if part.strip()]


def used_in(profile: Profile, series: Series, lines: Iterable[tuple[str, str]]) -> list[int]:
    """Return the numbers among (number, notation) that belong to a series."""
    return [
        int(number)
        for number, symbol in lines
        if number.isascii() and number.isdigit() and len(number) <= 9
        if series_of(profile, symbol).key == series.key
    ]


def warn_of_order(draft: Draft, used: Collection[int]) -> Iterator[Reason]:
    """Warn of a typed number that is not the next of its series: it is taken, or leaves a gap."""
    text = draft.number
    if not (text.isascii() and text.isdigit() and len(text) <= 9) or not used:
        return
    number, expected = int(text), end_of_run(used, min(used)) + 1
    if number != expected:
        yield reason(
            ReasonCode.NUMBER_ORDER,
            "/number",
            given=text,
            last=printed(expected - 1),
            suggest=printed(expected),
        )


def reserved_until(now: datetime, days: int | None) -> datetime:
    """Return the end of a reservation made now."""
    return now + timedelta(days=min(days or RESERVED_DAYS, MOST_RESERVED_DAYS))


def capacity_of(draft: Draft) -> str:
    """Return the capacity in which the draft is signed, from its competence or title; empty where a person signs for
    themselves."""
    signer = draft.signer
    for text in (signer.competence, signer.title) if signer is not None else ():
        word = (text or "").split(" ", 1)[0].upper().replace("/", "").rstrip(".") + "."
        if word in CAPACITIES:
            return word
    return ""


def warn_of_capacity(
    profile: Profile, draft: Draft, today: date, certificates: Sequence[RegisteredCertificate]
) -> Iterator[Reason]:
    """Warn where no row of the agency's table, and no registered certificate of the person, allows the capacity on the day
    of the document, for its type or book."""
    capacity, signer = capacity_of(draft), draft.signer
    if not (capacity and signer and profile.signing_acts):
        return
    day, name = draft.issued_on or today, _person(signer.name)
    facts = {"name": signer.name, "capacity": capacity}
    ended = limited = None
    for person, allowed, scope, act, since, last_day in split_table(profile.signing_acts):
        if _person(person) != name or allowed != capacity:
            continue
        if not (since <= day.isoformat() and (not last_day or day.isoformat() <= last_day)):
            ended = act
        elif _covers(profile, scope, draft):
            return
        else:
            limited = act, scope
    for certificate in certificates:
        is_person = _person(certificate.name) == name and certificate.capacity == capacity
        if is_person and certificate.valid_from.date() <= day <= certificate.valid_to.date():
            return
    if limited is not None:
        yield reason(
            ReasonCode.CAPACITY_SCOPE, "/signer/competence", **facts, act=limited[0], scope=limited[1]
        )
        return
    yield reason(ReasonCode.CAPACITY_UNPROVED, "/signer/competence", **facts, given_on=day, act=ended or "–")


def _covers(profile: Profile, scope: str, draft: Draft) -> bool:
    """Tell whether an act's scope has the document: its type, by name or abbreviation, or its book, by key or name. A scope
    that names neither is words for people, and limits nothing here."""
    items = {" ".join(item.split()).casefold() for item in scope.split(",") if item.strip()}
    books = {
        word.casefold(): book.key for book in read_books(profile.out_books) for word in (book.key, book.name)
    }
    named_books = {books[item] for item in items & books.keys() if item}
    named_types = {key for item in items - books.keys() if (key := _type_named(profile, item)) is not None}
    if not (named_books or named_types):
        return True
    series = series_of(profile, draft.symbol, draft.type_key)
    return (draft.type_key or type_of(draft.symbol, profile)) in named_types or series.book.key in named_books


def _type_named(profile: Profile, word: str) -> str | None:
    """Return the key of the type with that name, key or abbreviation in notations."""
    if word in labels.tails("type"):
        return word
    if (key := type_key_of(word)) is not None:
        return key
    key = type_of(word, profile)
    return key if key != LETTER or word == LETTER_MARK.casefold() else None


def _person(name: str) -> str:
    return " ".join(nfc(name).casefold().split())
