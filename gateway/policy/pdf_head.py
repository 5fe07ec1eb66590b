"""Reads the head of a document: number and symbol in the left column, place and date in the right one, then type and
abstract (decree 30, parts 3 to 5). In: the lines of the first page. Out: `Head`, and a `Field` each for type and
abstract. Pure.

A blank number is absent; of two different numbers the first is taken, as doubtful. A titled document has a heading in
capitals with the abstract below it; in a letter the abstract follows the number. The abstract's end is told by its form
(bold, centred, no blank line); where the form does not tell, it is doubtful."""

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
from gateway.policy.page_lines import PageLine, absent, doubt, field_of
from gateway.words import labels
from gateway.words.reading import ABBREVIATIONS, ADDRESSED, DATE_WORDS, ENACTING, MOTTOES, NUMBER_LABEL, TOPIC

_UPPER_HALF = 0.5
_LIKE = 0.85  # least similarity of a motto read by text recognition
BLANK = "blank"
_LONGEST_NUMBER, _LONGEST_SYMBOL = DRAFT["number"].longest, DRAFT["symbol"].longest
_LABEL = re.compile(r"(S\w)(?:\s*[:.;]\s*|\s+|(?=\d))(.*)$")
_NUMBER = re.compile(
    r"(?P<number>[\d\s]*[A-Za-z]?|[.\u2026_\s]*)(?:(?<=\S)\s*)?(?P<mark>[/-])\s*"
    r"(?P<symbol>(?:\d{4}\s?/\s?)?[^\W\d_][\w&]*(?:\s?[-/.&]\s?\w[\w&]*)*[-/]?)(?P<rest>.*)$"
)
_DAY = re.compile(r"{} (\d{{1,2}}) {} (\d{{1,2}}) {} (\d{{4}})(?!\d)".format(*map(fold, DATE_WORDS)))
_BULLET = re.compile(r"[-–+*•]\s")
_LIST_GAP = 1.2
_NEAR = 1.2  # blank between lines that belong together, relative to the type size
LETTER = "cong_van"
LONGEST_SUBJECT = DRAFT["subject"].longest
_MIDDLE = 0.1  # tolerance in page widths, to either side
_UPPER = 0.6
_FIRST_GAP, _NEXT_GAP, _CLEAR_GAP = 2.5, 0.8, 1.0  # in parts of the type size
_TYPES = {fold(labels.say(f"type.{key}")): key for key in labels.tails("type")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Head of a document, down to `bottom`; its right column begins at `split`; `number_line` holds number and symbol."""

    number: Field[str]
    symbol: Field[str]
    issued_on: Field[date]
    split: float
    bottom: float
    number_line: PageLine | None = None


def read_head(lines: Sequence[PageLine], size: Size, ends: float | None) -> Head:
    """Read the head. `ends` is the top of the first line known to be below it: the heading, or the addressee."""
    motto = next((e for e in lines if _is_motto(e)), None)
    split = motto.area.left if motto is not None else size.width / 2
    bottom = min(e for e in (ends, size.height * _UPPER_HALF) if e is not None)
    inside = [e for e in lines if e.area.top < bottom]
    left_lines = [e for e in inside if e.area.left < split]
    right_lines = [e for e in inside if e.centre >= split]
    # Without a known end, a line of the body may be mistaken for one of the head.
    missing = ("place" if ends is None else None) if motto is not None else "no-motto"
    number, symbol, line = _number(left_lines, missing)
    return Head(
        number=number,
        symbol=symbol,
        issued_on=_read_date(right_lines, inside, missing),
        split=split,
        bottom=bottom,
        number_line=line,
    )


def addressee(lines: Sequence[PageLine], size: Size) -> PageLine | None:
    """Return the line that names the addressee of a letter, or None."""
    words = tuple(map(fold, ADDRESSED))
    return next((e for e in lines if e.folded.startswith(words) and e.area.top < 0.6 * size.height), None)


def addressees(first: PageLine, lines: Sequence[PageLine]) -> str:
    """Return the addressee line with the lines below it that continue the list."""
    block = [first]
    for line in lines[lines.index(first) + 1 :]:
        goes_on = block[-1].text.endswith((":", ";", ",")) or _BULLET.match(line.text) is not None
        if block[-1].text.endswith(".") or not goes_on or block[-1].gap_below(line) > _LIST_GAP:
            break
        block.append(line)
    return "\n".join(e.text for e in block)


def abbreviation(symbol: str) -> str | None:
    """Return the key of the type that a symbol begins with, after a year if there is one; None if it names none."""
    parts = [part for part in re.split(r"[-/]", symbol) if part and not part.isdigit()]
    # Letter case does not matter; D and stroked D are two letters.
    first = parts[0].casefold() if parts else ""
    return next((key for short, key in ABBREVIATIONS.items() if short.casefold() == first), None)


def _is_motto(line: PageLine) -> bool:
    text = line.folded
    return any(
        motto in text or (len(text) > 15 and SequenceMatcher(None, motto, text).ratio() >= _LIKE)
        for motto in map(fold, MOTTOES)
    )


# --- number and symbol ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _NumberMatch:
    number: str
    symbol: str
    lines: tuple[PageLine, ...]
    doubts: tuple[str | None, ...]


def _number(lines: Sequence[PageLine], missing: str | None) -> tuple[Field[str], Field[str], PageLine | None]:
    """Return number, symbol and their line; a second, different number makes both doubtful."""
    matches = [m for n, line in enumerate(lines) if (m := _parse_number(line, lines[n + 1 :])) is not None]
    if not matches:
        return absent(), absent(), None
    first = next((m for m in matches if m.lines[0].ink is not Ink.ADDED), matches[0])
    many = "many" if len({(m.number, m.symbol) for m in matches}) > 1 else None
    doubts = (*first.doubts, many, missing)
    symbol = field_of(first.symbol, first.lines, (*doubts, _odd_symbol(first.symbol)))
    if not first.number:
        # The number may be added to the page later, by hand or as a stamp.
        return absent(BLANK), symbol, first.lines[0]
    too_long = "too-long" if len(first.number) > _LONGEST_NUMBER else None
    return field_of(first.number, first.lines, (*doubts, too_long)), symbol, first.lines[0]


def _parse_number(line: PageLine, below: Sequence[PageLine]) -> _NumberMatch | None:
    labelled = _LABEL.match(line.text + " ")
    if labelled is None or not _is_label(labelled[1], line):
        return None
    # A stamped number may be far from its label, and so may the symbol printed beside the space for it.
    level = [e for e in below if abs(e.area.top - line.area.top) < line.type_size / 2]
    continuation = level if "/" not in labelled[2] and "-" not in labelled[2] else []
    lines: tuple[PageLine, ...] = (line, *continuation)
    match = _NUMBER.match(" ".join([labelled[2].strip(), *(e.text for e in continuation)]).strip())
    if match is None:
        return None
    symbol = match["symbol"]
    doubts = [None if labelled[1].casefold() == NUMBER_LABEL else "label"]
    doubts += ["columns" if match["rest"].strip(" .,;") else None, "spaced" if continuation else None]
    if symbol.endswith(("-", "/")) and (more := _find_continuation(line, below)) is not None:
        lines, symbol = (*lines, more), symbol + more.text
        doubts.append("wrapped")
    digits = match["number"].strip().strip(".\u2026_")
    if re.search(r"\s", digits):
        doubts.append("spaced")
    if match["mark"] == "-" and "/" not in symbol:
        doubts.append("symbol-form")
    return _NumberMatch(
        number=re.sub(r"\s+", "", digits),
        symbol=re.sub(r"\s+", "", symbol).rstrip("-/."),
        lines=lines,
        doubts=tuple(doubts),
    )


def _is_label(word: str, line: PageLine) -> bool:
    """Tell whether a word is the number's label, whose vowel text recognition may have misread."""
    return fold(word) == fold(NUMBER_LABEL) or (line.ink is Ink.RECOGNISED and word[0] == "S")


def _find_continuation(line: PageLine, below: Sequence[PageLine]) -> PageLine | None:
    """Return the next line of the column, if it looks like the end of a symbol."""
    nearest = next((e for e in below if e.area.top >= line.area.bottom - line.type_size), None)
    if nearest is None or line.gap_below(nearest) > _NEAR or " " in nearest.text or not nearest.capitals:
        return None
    return nearest


def _odd_symbol(symbol: str) -> str | None:
    parts = [part for part in re.split(r"[-/.&]", symbol) if part]
    abbreviations = {part.casefold() for part in ABBREVIATIONS}
    is_usual = all(part.isupper() or part.isdigit() or part.casefold() in abbreviations for part in parts)
    return None if is_usual and len(symbol) <= _LONGEST_SYMBOL else "symbol-form"


# --- date -----------------------------------------------------------------------------------------------------


def _read_date(right: Sequence[PageLine], inside: Sequence[PageLine], missing: str | None) -> Field[date]:
    placed = list(_find_dates(right))
    candidates = placed or list(_find_dates(inside))
    if not candidates:
        return absent()
    at = next((n for n, (_, lines) in enumerate(candidates) if lines[0].ink is not Ink.ADDED), 0)
    day, lines = candidates[at]
    many = "many" if len({d for d, _ in candidates}) > 1 else None
    spread = any(a.gap_below(b) > _NEAR for a, b in pairwise(lines))
    return field_of(
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


def _find_dates(lines: Sequence[PageLine]) -> Iterator[tuple[date, tuple[PageLine, ...]]]:
    """Yield every complete date with its lines; it may run over the end of a line."""
    text, starts = "", []
    for line in lines:
        starts.append(len(text))
        text += line.folded + " "
    for match in _DAY.finditer(text):
        try:
            day = date(int(match[3]), int(match[2]), int(match[1]))
        except ValueError:
            continue
        ends = [*starts[1:], len(text)]
        yield (
            day,
            tuple(
                e
                for e, start, end in zip(lines, starts, ends, strict=True)
                if start < match.end() and match.start() < end
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """Line that names the type; `tail` is the text after the name."""

    line: PageLine
    key: str
    tail: str


def heading(lines: Sequence[PageLine], size: Size) -> Heading | None:
    """Return the first centred line in capitals that is, or begins with, the name of a type."""
    for line in lines:
        if line.area.top > _UPPER * size.height:
            return None
        if not line.capitals or abs(line.centre - size.width / 2) > _MIDDLE * size.width:
            continue
        text = line.folded.rstrip(" :.")
        if text in _TYPES:
            return Heading(line=line, key=_TYPES[text], tail="")
        longest = max((name for name in _TYPES if text.startswith(name + " ")), key=len, default=None)
        if longest is not None and line.bold:
            return Heading(line=line, key=_TYPES[longest], tail=line.text[len(longest) :].strip())
    return None


def type_and_subject(
    titled: Heading | None, lines: Sequence[PageLine], size: Size, head: Head, addressed: PageLine | None
) -> tuple[Field[str], Field[str]]:
    """Return type and abstract, of a titled document or of a letter."""
    if titled is not None:
        return _read_titled(titled, lines, size, head)
    return _read_letter(lines, head, addressed)


def _read_titled(
    titled: Heading, lines: Sequence[PageLine], size: Size, head: Head
) -> tuple[Field[str], Field[str]]:
    abbreviated_key = abbreviation(head.symbol.value) if head.symbol.value else None
    agrees = None if abbreviated_key == titled.key else "mismatch"
    one_line = "plain" if titled.tail else None
    key = field_of(titled.key, (titled.line,), (one_line, agrees))
    if titled.key == LETTER:
        key = doubt(key, "place")  # a letter has no heading
    block, doubts = _abstract_below(titled.line, lines, size)
    text = " ".join([titled.tail, *(e.text for e in block)]).strip()
    if not text:
        return key, absent()
    return key, _make_subject(text, (titled.line, *block) if titled.tail else block, (*doubts, one_line))


def _abstract_below(
    top: PageLine, lines: Sequence[PageLine], size: Size
) -> tuple[tuple[PageLine, ...], list[str | None]]:
    """Return the lines of the abstract below a heading, and the doubts about its end."""
    block: list[PageLine] = []
    doubts: list[str | None] = []
    for line in lines[lines.index(top) + 1 :]:
        last = block[-1] if block else top
        gap = last.gap_below(line)
        if gap > (_NEXT_GAP if block else _FIRST_GAP) or not _is_of_abstract(line, top, block, size):
            # A close line of nearly the same form may belong to the abstract, such as an abbreviation in capitals.
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
    if not block:
        return any(map(str.isalpha, line.text))
    return line.bold == block[0].bold and line.capitals == block[0].capitals


def _may_go_on(line: PageLine, top: PageLine, size: Size) -> bool:
    in_the_middle = abs(line.centre - top.centre) <= 0.06 * size.width
    # Its last line may be a year alone; a line without letters or digits is a rule.
    return in_the_middle and not _begins_body(line) and any(map(str.isalnum, line.text))


def _begins_body(line: PageLine) -> bool:
    return line.folded.startswith(tuple(map(fold, ENACTING)))


# --- a letter -------------------------------------------------------------------------------------------------


def _read_letter(
    lines: Sequence[PageLine], head: Head, addressed: PageLine | None
) -> tuple[Field[str], Field[str]]:
    first = next((e for e in _left_column(lines, head) if e.folded.startswith(tuple(map(fold, TOPIC)))), None)
    if first is None:
        if addressed is not None and head.symbol.value and abbreviation(head.symbol.value) is None:
            return field_of(LETTER, (addressed,), ("place",)), absent()
        return absent(), absent()
    abbreviated_key = abbreviation(head.symbol.value) if head.symbol.value else None
    contrary = "mismatch" if abbreviated_key not in (None, LETTER) else None
    missing = "no-addressee" if addressed is None else None
    block, doubts = _abstract_in_column(first, lines, head)
    key = field_of(LETTER, (first,), (contrary, missing))
    return key, _make_subject(" ".join(e.text for e in block), block, (*doubts, missing))


def _left_column(lines: Sequence[PageLine], head: Head) -> Iterator[PageLine]:
    above = head.number_line.area.top if head.number_line is not None else 0.0
    for line in lines:
        if above <= line.area.top < head.bottom and line.centre < head.split and line.ink is not Ink.ADDED:
            yield line


def _abstract_in_column(
    first: PageLine, lines: Sequence[PageLine], head: Head
) -> tuple[tuple[PageLine, ...], list[str | None]]:
    """Return the lines of a letter's abstract in the left column, and the doubts about its end."""
    block: list[PageLine] = [first]
    doubts: list[str | None] = []
    if first.area.right > head.split + 3 * first.type_size:
        doubts.append("columns")
    column = list(_left_column(lines, head))
    for line in column[column.index(first) + 1 :]:
        gap = block[-1].gap_below(line)
        if gap > _NEXT_GAP or line.capitals or _begins_body(line):
            # A line this close may end the abstract, such as an abbreviation.
            if gap < _CLEAR_GAP and not _begins_body(line):
                doubts.append("plain")
            break
        if (
            abs(line.centre - first.centre) > 2 * first.type_size
            and abs(line.area.left - first.area.left) > 5
        ):
            doubts.append("plain")  # neither centred in the column nor at its edge
        block.append(line)
    return tuple(block), doubts


def _make_subject(text: str, lines: Sequence[PageLine], doubts: Sequence[str | None]) -> Field[str]:
    value = text.rstrip(" .;")
    too_long = "too-long" if len(value) > LONGEST_SUBJECT else None
    return field_of(value, lines, (*doubts, too_long))
