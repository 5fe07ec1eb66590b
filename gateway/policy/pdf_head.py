"""Reads the head of a document: number and symbol in the left column, place and date in the right one, then type and
abstract (decree 30, parts 3 to 5). In: the lines of the first page. Out: `Head`, and a `Field` each for type and
abstract. Pure.

A number that is left blank is not found; of two that differ the first is told, as doubtful. A heading stands in
capitals with the abstract below it; of a letter the abstract is the words under the number. Where it ends is told
by its form: in bold, in the middle, without a blank; where the form tells nothing it is doubtful."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from difflib import SequenceMatcher
from itertools import pairwise

from gateway.domain.fields import DRAFT
from gateway.domain.pdf import Field, Ink, Size
from gateway.domain.text import fold
from gateway.policy.page_lines import PageLine, absent, doubted, found
from gateway.words import labels
from gateway.words.reading import ABBREVIATIONS, ADDRESSED, DATE_WORDS, ENACTING, MOTTOES, NUMBER_LABEL, TOPIC

_UPPER_HALF = 0.5
_LIKE = 0.85  # a motto that a machine read
_LONGEST_NUMBER, _LONGEST_SYMBOL = DRAFT["number"].longest, DRAFT["symbol"].longest
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

    number: Field[str]
    symbol: Field[str]
    issued_on: Field[date]
    split: float
    bottom: float
    number_line: PageLine | None = None


def read_head(lines: Sequence[PageLine], size: Size, ends: float | None) -> Head:
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


def addressee(lines: Sequence[PageLine], size: Size) -> PageLine | None:
    """The line that says whom a letter is for."""
    words = tuple(map(fold, ADDRESSED))
    return next((e for e in lines if e.folded.startswith(words) and e.area.top < 0.6 * size.height), None)


def addressees(first: PageLine, lines: Sequence[PageLine]) -> str:
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
    # Letter case aside; d and its stroked sister are two letters.
    first = parts[0].casefold() if parts else ""
    return next((key for short, key in ABBREVIATIONS.items() if short.casefold() == first), None)


def _is_motto(line: PageLine) -> bool:
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
    lines: tuple[PageLine, ...]
    doubts: tuple[str | None, ...]


def _number(left: Sequence[PageLine], missing: str | None) -> tuple[Field[str], Field[str], PageLine | None]:
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


def _numbered(line: PageLine, below: Sequence[PageLine]) -> _Numbered | None:
    labelled = _LABEL.match(line.text + " ")
    if labelled is None or not _is_label(labelled[1], line):
        return None
    # A stamped number may stand far from its label, and so may the symbol printed beside the room for it.
    level = [each for each in below if abs(each.area.top - line.area.top) < line.type_size / 2]
    apart = level if "/" not in labelled[2] and "-" not in labelled[2] else []
    lines: tuple[PageLine, ...] = (line, *apart)
    told = _NUMBER.match(" ".join([labelled[2].strip(), *(each.text for each in apart)]).strip())
    if told is None:
        return None
    symbol = told["symbol"]
    doubts = [None if labelled[1].casefold() == NUMBER_LABEL else "label"]
    doubts += ["columns" if told["rest"].strip(" .,;") else None, "spaced" if apart else None]
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


def _is_label(word: str, line: PageLine) -> bool:
    """Exactly the word; a machine that read a scan may have taken its vowel for something else."""
    return fold(word) == fold(NUMBER_LABEL) or (line.ink is Ink.RECOGNISED and word[0] == "S")


def _continued(line: PageLine, below: Sequence[PageLine]) -> PageLine | None:
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


def _date(right: Sequence[PageLine], inside: Sequence[PageLine], missing: str | None) -> Field[date]:
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
        (
            many,
            missing,
            None if placed else "place",
            "wrapped" if spread else None,
            None if 1990 <= day.year <= 2100 else "place",
        ),
    )


def _dates(lines: Sequence[PageLine]) -> Iterator[tuple[date, tuple[PageLine, ...]]]:
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


LETTER = "cong_van"
LONGEST_SUBJECT = DRAFT["subject"].longest
_MIDDLE = 0.1  # of the page's width, to either side
_UPPER = 0.6
_FIRST_GAP, _NEXT_GAP, _CLEAR_GAP = 2.5, 0.8, 1.0  # in parts of the type size
_TYPES = {fold(labels.say(f"type.{key}")): key for key in labels.tails("type")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """The line that names the type; `rest` is what follows the name on it."""

    line: PageLine
    key: str
    rest: str


def heading(lines: Sequence[PageLine], size: Size) -> Heading | None:
    """The first line in the middle that is, or begins with, the name of a type in capitals."""
    for line in lines:
        if line.area.top > _UPPER * size.height:
            return None
        if not line.capitals or abs(line.centre - size.width / 2) > _MIDDLE * size.width:
            continue
        said = line.folded.rstrip(" :.")
        if said in _TYPES:
            return Heading(line=line, key=_TYPES[said], rest="")
        longest = max((name for name in _TYPES if said.startswith(name + " ")), key=len, default=None)
        if longest is not None and line.bold:
            return Heading(line=line, key=_TYPES[longest], rest=line.text[len(longest) :].strip())
    return None


def type_and_subject(
    named: Heading | None, lines: Sequence[PageLine], size: Size, head: Head, addressed: PageLine | None
) -> tuple[Field[str], Field[str]]:
    if named is not None:
        return _headed(named, lines, size, head)
    return _letter(lines, head, addressed)


def _headed(
    named: Heading, lines: Sequence[PageLine], size: Size, head: Head
) -> tuple[Field[str], Field[str]]:
    told = abbreviation(head.symbol.value) if head.symbol.value else None
    agrees = None if told == named.key else "mismatch"
    one_line = "plain" if named.rest else None
    key = found(named.key, (named.line,), (one_line, agrees))
    if named.key == LETTER:
        key = doubted(key, "place")  # a letter has no heading
    block, doubts = _below(named.line, lines, size)
    text = " ".join([named.rest, *(each.text for each in block)]).strip()
    if not text:
        return key, absent()
    return key, _subject(text, (named.line, *block) if named.rest else block, (*doubts, one_line))


def _below(
    top: PageLine, lines: Sequence[PageLine], size: Size
) -> tuple[tuple[PageLine, ...], list[str | None]]:
    """The lines of the abstract, and what makes their end uncertain."""
    block: list[PageLine] = []
    doubts: list[str | None] = []
    for line in lines[lines.index(top) + 1 :]:
        last = block[-1] if block else top
        gap = last.gap_below(line)
        if gap > (_NEXT_GAP if block else _FIRST_GAP) or not _is_of_abstract(line, top, block, size):
            # Close by, in the same form but one sign: who knows. An abbreviation alone is in capitals.
            alike = bool(block) and _may_go_on(line, top, size) and _is_like(line, block[0])
            if (alike and 0 <= gap < _NEXT_GAP) or (block and not block[0].bold and gap < _CLEAR_GAP):
                doubts.append("plain")
            break
        block.append(line)
    if block and not block[0].bold and len(block) > 1:
        doubts.append("plain")
    if block and block[0].capitals:
        doubts.append("capitals")
    return tuple(block), doubts


def _is_like(line: PageLine, first: PageLine) -> bool:
    return line.capitals == first.capitals or line.bold == first.bold


def _is_of_abstract(line: PageLine, top: PageLine, block: Sequence[PageLine], size: Size) -> bool:
    if not _may_go_on(line, top, size):
        return False
    return not block or (line.bold == block[0].bold and line.capitals == block[0].capitals)


def _may_go_on(line: PageLine, top: PageLine, size: Size) -> bool:
    in_the_middle = abs(line.centre - top.centre) <= 0.06 * size.width
    return in_the_middle and not _begins_body(line) and any(map(str.isalpha, line.text))


def _begins_body(line: PageLine) -> bool:
    return line.folded.startswith(tuple(map(fold, ENACTING)))


# --- a letter -------------------------------------------------------------------------------------------------


def _letter(
    lines: Sequence[PageLine], head: Head, addressed: PageLine | None
) -> tuple[Field[str], Field[str]]:
    about = next(
        (each for each in _column(lines, head) if each.folded.startswith(tuple(map(fold, TOPIC)))), None
    )
    if about is None:
        if addressed is not None and head.symbol.value and abbreviation(head.symbol.value) is None:
            return found(LETTER, (addressed,), ("place",)), absent()
        return absent(), absent()
    told = abbreviation(head.symbol.value) if head.symbol.value else None
    contrary = "mismatch" if told not in (None, LETTER) else None
    missing = "no-addressee" if addressed is None else None
    block, doubts = _under(about, lines, head)
    key = found(LETTER, (about,), (contrary, missing))
    return key, _subject(" ".join(each.text for each in block), block, (*doubts, missing))


def _column(lines: Sequence[PageLine], head: Head) -> Iterator[PageLine]:
    above = head.number_line.area.top if head.number_line is not None else 0.0
    for each in lines:
        if above <= each.area.top < head.bottom and each.centre < head.split and each.ink is not Ink.ADDED:
            yield each


def _under(
    about: PageLine, lines: Sequence[PageLine], head: Head
) -> tuple[tuple[PageLine, ...], list[str | None]]:
    block: list[PageLine] = [about]
    doubts: list[str | None] = []
    if about.area.right > head.split + 3 * about.type_size:
        doubts.append("columns")
    column = list(_column(lines, head))
    for line in column[column.index(about) + 1 :]:
        gap = block[-1].gap_below(line)
        if gap > _NEXT_GAP or line.capitals or _begins_body(line):
            # So close by it may be the last words, such as an abbreviation.
            if gap < _CLEAR_GAP and not _begins_body(line):
                doubts.append("plain")
            break
        if (
            abs(line.centre - about.centre) > 2 * about.type_size
            and abs(line.area.left - about.area.left) > 5
        ):
            doubts.append("plain")  # neither in the middle of the column nor at its edge
        block.append(line)
    return tuple(block), doubts


def _subject(text: str, lines: Sequence[PageLine], doubts: Sequence[str | None]) -> Field[str]:
    value = text.rstrip(" .;")
    too_long = "too-long" if len(value) > LONGEST_SUBJECT else None
    return found(value, lines, (*doubts, too_long))
