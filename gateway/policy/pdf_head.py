"""Reads the head of a document: number and symbol in the left column, place and date in the right one (decree 30, parts 3
and 4). In: the lines of the first page. Out: `Head`. Pure. A number that is left blank is not found; of two that differ the
first is told, as doubtful."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from difflib import SequenceMatcher
from itertools import pairwise

from gateway.domain.page_text import Found, Ink
from gateway.domain.pdf_signing import Size
from gateway.domain.text import fold
from gateway.policy.page_lines import Line
from gateway.policy.pdf_evidence import absent, found
from gateway.words.reading import ABBREVIATIONS, ADDRESSED, DATE_WORDS, MOTTOES, NUMBER_LABEL

_UPPER_HALF = 0.5
_LIKE = 0.85  # a motto that a machine read
_LONGEST_NUMBER, _LONGEST_SYMBOL = 11, 30
_LABEL = re.compile(r"(S\w)(?:\s*[:.;]\s*|\s+|(?=\d))(.*)$")
_NUMBER = re.compile(
    r"(?P<number>[\d\s]*[A-Za-z]?|[.\u2026_\s]*)(?:(?<=\S)\s*)?(?P<mark>[/-])\s*"
    r"(?P<symbol>(?:\d{4}\s?/\s?)?[^\W\d_][\w&]*(?:\s?[-/.&]\s?\w[\w&]*)*[-/]?)(?P<rest>.*)$"
)
_DAY = re.compile(r"{} (\d{{1,2}}) {} (\d{{1,2}}) {} (\d{{4}})(?!\d)".format(*map(fold, DATE_WORDS)))
_BULLET = re.compile(r"[-–+*•]\s")
_LIST_GAP = 1.2
_NEAR = 1.2  # blank between the lines of one statement, in parts of the type size


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """`bottom` is where the head ends; `split` where its right column begins; `number_line` holds number and symbol."""

    number: Found[str]
    symbol: Found[str]
    issued_on: Found[date]
    split: float
    bottom: float
    number_line: Line | None = None


def read_head(lines: Sequence[Line], size: Size, ends: float | None) -> Head:
    """`ends` is the top of the first thing known to stand below the head: the heading, or the addressee."""
    motto = next((each for each in lines if _is_motto(each)), None)
    split = motto.area.left if motto is not None else size.width / 2
    bottom = min(each for each in (ends, size.height * _UPPER_HALF) if each is not None)
    inside = [each for each in lines if each.area.top < bottom]
    left = [each for each in inside if each.area.left < split]
    right = [each for each in inside if each.centre >= split]
    # Without a known end a line of the body may be taken for one of the head.
    missing = ("place" if ends is None else None) if motto is not None else "no-motto"
    number, symbol, line = _number(left, missing)
    return Head(
        number=number,
        symbol=symbol,
        issued_on=_date(right, inside, missing),
        split=split,
        bottom=bottom,
        number_line=line,
    )


def addressee(lines: Sequence[Line], size: Size) -> Line | None:
    """The line that says whom a letter is for."""
    words = tuple(map(fold, ADDRESSED))
    return next((e for e in lines if e.folded.startswith(words) and e.area.top < 0.6 * size.height), None)


def addressees(first: Line, lines: Sequence[Line]) -> str:
    """That line with those below it that go on with the list."""
    made = [first]
    for line in lines[lines.index(first) + 1 :]:
        goes_on = made[-1].text.endswith((":", ";", ",")) or _BULLET.match(line.text) is not None
        if made[-1].text.endswith(".") or not goes_on or made[-1].gap_below(line) > _LIST_GAP:
            break
        made.append(line)
    return "\n".join(each.text for each in made)


def abbreviation(symbol: str) -> str | None:
    """The key of the type that a symbol names: its first part, behind the year where there is one."""
    parts = [each for each in re.split(r"[-/]", symbol) if each and not each.isdigit()]
    return next((key for short, key in ABBREVIATIONS.items() if parts and _same(short, parts[0])), None)


def _same(short: str, part: str) -> bool:
    """Letter case aside; d and its stroked sister are two letters."""
    return short.casefold() == part.casefold()


def _is_motto(line: Line) -> bool:
    said = line.folded
    return any(
        motto in said or (len(said) > 15 and SequenceMatcher(None, motto, said).ratio() >= _LIKE)
        for motto in map(fold, MOTTOES)
    )


# --- number and symbol ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Numbered:
    number: str
    symbol: str
    lines: tuple[Line, ...]
    doubts: tuple[str | None, ...]


def _number(left: Sequence[Line], missing: str | None) -> tuple[Found[str], Found[str], Line | None]:
    every = [each for n, line in enumerate(left) if (each := _numbered(line, left[n + 1 :])) is not None]
    if not every:
        return absent(), absent(), None
    first = next((each for each in every if each.lines[0].ink is not Ink.ADDED), every[0])
    many = "many" if len({(each.number, each.symbol) for each in every}) > 1 else None
    doubts = (*first.doubts, many, missing)
    symbol = found(first.symbol, first.lines, (*doubts, _odd_symbol(first.symbol)))
    if not first.number:
        # It may have been put on the page later, by hand or as a stamp.
        return absent("blank"), symbol, first.lines[0]
    too_long = "too-long" if len(first.number) > _LONGEST_NUMBER else None
    return found(first.number, first.lines, (*doubts, too_long)), symbol, first.lines[0]


def _numbered(line: Line, below: Sequence[Line]) -> _Numbered | None:
    labelled = _LABEL.match(line.text + " ")
    if labelled is None or not _is_label(labelled[1], line):
        return None
    # A stamped number may stand far from its label, and so may the symbol printed beside the room for it.
    level = [each for each in below if abs(each.area.top - line.area.top) < line.type_size / 2]
    apart = level if "/" not in labelled[2] and "-" not in labelled[2] else []
    lines: tuple[Line, ...] = (line, *apart)
    told = _NUMBER.match(" ".join([labelled[2].strip(), *(each.text for each in apart)]).strip())
    if told is None:
        return None
    symbol = told["symbol"]
    doubts = [_label_doubt(labelled[1]), _rest_doubt(told["rest"]), "spaced" if apart else None]
    if symbol.endswith(("-", "/")) and (more := _continued(line, below)) is not None:
        lines, symbol = (*lines, more), symbol + more.text
        doubts.append("wrapped")
    digits = told["number"].strip().strip(".\u2026_")
    if re.search(r"\s", digits):
        doubts.append("spaced")
    if told["mark"] == "-" and "/" not in symbol:
        doubts.append("symbol-form")
    return _Numbered(
        number=re.sub(r"\s+", "", digits),
        symbol=re.sub(r"\s+", "", symbol).rstrip("-/."),
        lines=lines,
        doubts=tuple(doubts),
    )


def _is_label(word: str, line: Line) -> bool:
    """Exactly the word; a machine that read a scan may have taken its vowel for something else."""
    return fold(word) == fold(NUMBER_LABEL) or (line.ink is Ink.RECOGNISED and word[0] == "S")


def _label_doubt(word: str) -> str | None:
    return None if word.casefold() == NUMBER_LABEL else "label"


def _rest_doubt(rest: str) -> str | None:
    return "columns" if rest.strip(" .,;") else None


def _continued(line: Line, below: Sequence[Line]) -> Line | None:
    """The next line of the column, where it looks like the rest of a symbol."""
    nearest = next((each for each in below if each.area.top >= line.area.bottom - line.type_size), None)
    if nearest is None or line.gap_below(nearest) > _NEAR or " " in nearest.text or not nearest.capitals:
        return None
    return nearest


def _odd_symbol(symbol: str) -> str | None:
    parts = [each for each in re.split(r"[-/.&]", symbol) if each]
    known = {each.casefold() for each in ABBREVIATIONS}
    fine = all(each.isupper() or each.isdigit() or each.casefold() in known for each in parts)
    return None if fine and len(symbol) <= _LONGEST_SYMBOL else "symbol-form"


# --- date -----------------------------------------------------------------------------------------------------


def _date(right: Sequence[Line], inside: Sequence[Line], missing: str | None) -> Found[date]:
    placed = list(_dates(right))
    every = placed or list(_dates(inside))
    if not every:
        return absent()
    at = next((n for n, (_, lines) in enumerate(every) if lines[0].ink is not Ink.ADDED), 0)
    day, lines = every[at]
    many = "many" if len({each for each, _ in every}) > 1 else None
    spread = any(a.gap_below(b) > _NEAR for a, b in pairwise(lines))
    return found(
        day,
        lines,
        (many, missing, None if placed else "place", "wrapped" if spread else None, _odd_year(day)),
    )


def _dates(lines: Sequence[Line]) -> Iterator[tuple[date, tuple[Line, ...]]]:
    """Every date in full, also over the end of a line."""
    text, starts = "", []
    for each in lines:
        starts.append(len(text))
        text += each.folded + " "
    for match in _DAY.finditer(text):
        try:
            day = date(int(match[3]), int(match[2]), int(match[1]))
        except ValueError:
            continue
        ends = [*starts[1:], len(text)]
        yield (
            day,
            tuple(
                line
                for line, start, end in zip(lines, starts, ends, strict=True)
                if start < match.end() and match.start() < end
            ),
        )


def _odd_year(day: date) -> str | None:
    return None if 1990 <= day.year <= 2100 else "place"
