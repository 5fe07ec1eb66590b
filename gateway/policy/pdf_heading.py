"""Reads the type and the abstract of a document: a heading in capitals with the abstract below it, or, of a letter, the
words under the number (decree 30, part 5). In: the lines of the first page and its head. Out: two `Found`s. Pure. Where it
ends is told by its form: in bold, in the middle, without a blank; where the form tells nothing it is doubtful."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.domain.page_text import Found, Ink
from gateway.domain.pdf_signing import Size
from gateway.domain.text import fold
from gateway.policy.page_lines import Line
from gateway.policy.pdf_evidence import absent, doubted, found
from gateway.policy.pdf_head import Head, abbreviation
from gateway.words import labels
from gateway.words.reading import ABOUT, ENACTING

LETTER = "cong_van"
LONGEST_SUBJECT = 500
_MIDDLE = 0.1  # of the page's width, to either side
_UPPER = 0.6
_FIRST_GAP, _NEXT_GAP, _CLEAR_GAP = 2.5, 0.8, 1.0  # in parts of the type size
_TYPES = {fold(labels.say(f"type.{key}")): key for key in labels.tails("type")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """The line that names the type; `rest` is what follows the name on it."""

    line: Line
    key: str
    rest: str


def heading(lines: Sequence[Line], size: Size) -> Heading | None:
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
    named: Heading | None, lines: Sequence[Line], size: Size, head: Head, addressed: Line | None
) -> tuple[Found[str], Found[str]]:
    if named is not None:
        return _headed(named, lines, size, head)
    return _letter(lines, head, addressed)


def _headed(named: Heading, lines: Sequence[Line], size: Size, head: Head) -> tuple[Found[str], Found[str]]:
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


def _below(top: Line, lines: Sequence[Line], size: Size) -> tuple[tuple[Line, ...], list[str | None]]:
    """The lines of the abstract, and what makes their end uncertain."""
    block: list[Line] = []
    doubts: list[str | None] = []
    for line in lines[lines.index(top) + 1 :]:
        last = block[-1] if block else top
        gap = last.gap_below(line)
        if gap > (_NEXT_GAP if block else _FIRST_GAP) or not _is_of_abstract(line, top, block, size):
            # Close by, in the same form but one sign: who knows.
            near = 0 <= gap < _NEXT_GAP and bool(block) and _looks_on(line, top, block[0], size)
            if near or (block and not block[0].bold and gap < _CLEAR_GAP):
                doubts.append("plain")
            break
        block.append(line)
    if block and not block[0].bold and len(block) > 1:
        doubts.append("plain")
    if block and block[0].capitals:
        doubts.append("capitals")
    return tuple(block), doubts


def _is_of_abstract(line: Line, top: Line, block: Sequence[Line], size: Size) -> bool:
    if abs(line.centre - top.centre) > 0.06 * size.width or _begins_body(line) or not _has_letters(line):
        return False
    return not block or (line.bold == block[0].bold and line.capitals == block[0].capitals)


def _looks_on(line: Line, top: Line, first: Line, size: Size) -> bool:
    return (
        abs(line.centre - top.centre) <= 0.06 * size.width
        and not _begins_body(line)
        and _has_letters(line)
        and first.capitals == line.capitals
    )


def _begins_body(line: Line) -> bool:
    return line.folded.startswith(tuple(map(fold, ENACTING)))


def _has_letters(line: Line) -> bool:
    return any(each.isalpha() for each in line.text)


# --- a letter -------------------------------------------------------------------------------------------------


def _letter(lines: Sequence[Line], head: Head, addressed: Line | None) -> tuple[Found[str], Found[str]]:
    about = next((each for each in _column(lines, head) if _is_about(each)), None)
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


def _column(lines: Sequence[Line], head: Head) -> Iterator[Line]:
    above = head.number_line.area.top if head.number_line is not None else 0.0
    for each in lines:
        if above <= each.area.top < head.bottom and each.centre < head.split and each.ink is not Ink.ADDED:
            yield each


def _under(about: Line, lines: Sequence[Line], head: Head) -> tuple[tuple[Line, ...], list[str | None]]:
    block: list[Line] = [about]
    doubts: list[str | None] = []
    if about.area.right > head.split + 3 * about.type_size:
        doubts.append("columns")
    column = list(_column(lines, head))
    for line in column[column.index(about) + 1 :]:
        gap = block[-1].gap_below(line)
        if gap > _NEXT_GAP or line.capitals or _begins_body(line):
            if gap < _CLEAR_GAP and not line.capitals and not _begins_body(line):
                doubts.append("plain")
            break
        if (
            abs(line.centre - about.centre) > 2 * about.type_size
            and abs(line.area.left - about.area.left) > 5
        ):
            doubts.append("plain")  # neither in the middle of the column nor at its edge
        block.append(line)
    return tuple(block), doubts


def _is_about(line: Line) -> bool:
    return line.folded.startswith(tuple(map(fold, ABOUT)))


def _subject(text: str, lines: Sequence[Line], doubts: Sequence[str | None]) -> Found[str]:
    value = text.rstrip(" .;")
    too_long = "too-long" if len(value) > LONGEST_SUBJECT else None
    return found(value, lines, (*doubts, too_long))
