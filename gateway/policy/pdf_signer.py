"""Reads who signed: the position and the name at the right of the recipients, and the block of recipients itself (decree
30, parts 7 to 9). In: the lines of all pages that were read. Out: `Signed`. Pure. The first block of recipients counts:
what follows it are appendices."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.domain.page_text import Found, Ink, PageSheet, Sure
from gateway.domain.text import fold
from gateway.policy.page_lines import Line
from gateway.policy.pdf_evidence import absent, doubted, found
from gateway.words.reading import BEHALF, FILED, RANKS, RECIPIENTS, TITLES

_ABOVE = 4.0  # how far the position may begin above the recipients, in parts of the type size
_NAME_GAP = 2.0  # room for the signature itself
_LIST_GAP = 2.0
_ASIDE = 0.1  # of the page's width
_NAME = re.compile(r"(?:[^\s.]+\.\s?)*(?:[^\W\d_]+(?:[-'][^\W\d_]+)?)(?: [^\W\d_]+(?:[-'][^\W\d_]+)?){1,8}")
_BEHALF = tuple(map(fold, BEHALF))
_RANKS = frozenset(map(fold, RANKS))
_TITLES = tuple(map(fold, TITLES))


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    signer: Found[str] = field(default_factory=Found)
    title: Found[str] = field(default_factory=Found)
    competence: Found[str] = field(default_factory=Found)
    recipients: Found[str] = field(default_factory=Found)


def read_signed(pages: Mapping[int, Sequence[Line]], sheets: Sequence[PageSheet], *, cut: bool) -> Signed:
    """`cut`: not every page was read."""
    for sheet in sheets:
        lines = pages.get(sheet.number, ())
        middle = sheet.size.width / 2
        begins = next((e for e in lines if e.folded.startswith(fold(RECIPIENTS)) and e.centre < middle), None)
        if begins is not None:
            top = begins.area.top - _ABOVE * begins.type_size
            right = [e for e in lines if e.area.top >= top and e.centre > middle and e.ink is not Ink.ADDED]
            signed = _block(right, sheet)
            return Signed(
                signer=signed.signer,
                title=signed.title,
                competence=signed.competence,
                recipients=_recipients(begins, lines, middle),
            )
    return _without_recipients(pages, sheets, cut=cut)


def with_certificate(signer: Found[str], names: Iterable[str]) -> Found[str]:
    """Held against the names of the persons who signed the file."""
    told = [each for each in dict.fromkeys(names) if each]
    if signer.value is None:
        only = Found(value=told[0], sure=Sure.DOUBTFUL, why="from-certificate") if len(told) == 1 else None
        return only or signer
    if told and fold(signer.value) not in map(fold, told):
        return doubted(signer, "certificate")
    return signer


def _without_recipients(
    pages: Mapping[int, Sequence[Line]], sheets: Sequence[PageSheet], *, cut: bool
) -> Signed:
    """By the last position on the right half of a page."""
    why = "cut" if cut else "no-recipients"
    for sheet in reversed(sheets):
        right = [e for e in pages.get(sheet.number, ()) if e.centre > sheet.size.width / 2]
        at = next((n for n, each in enumerate(right) if _is_position(each)), None)
        if at is not None:
            signed = _block(right[at:], sheet)
            return Signed(
                signer=doubted(signed.signer, why),
                title=doubted(signed.title, why),
                competence=doubted(signed.competence, why),
            )
    return Signed()


def _is_position(line: Line) -> bool:
    return line.capitals and line.folded.startswith((*_BEHALF, *_TITLES))


def _block(right: Sequence[Line], sheet: PageSheet) -> Signed:
    """Positions in capitals without a gap, then the name below the room for the signature."""
    at = next((n for n, each in enumerate(right) if each.capitals), None)
    if at is None:
        return Signed()
    positions = [right[at]]
    for line in right[at + 1 :]:
        if not line.capitals or positions[-1].gap_below(line) > _NAME_GAP:
            break
        positions.append(line)
    names = [each for each in right[at + len(positions) :] if _is_name(each)]
    behalf, own = _parted(positions)
    known = own and fold(own[0].text).startswith(_TITLES)
    return Signed(
        signer=_name(names, positions[-1], sheet),
        title=found(_said(own), own, (None if known else "position",)) if own else absent(),
        competence=found(_said(behalf), behalf) if behalf else absent(),
    )


def _parted(positions: Sequence[Line]) -> tuple[tuple[Line, ...], tuple[Line, ...]]:
    """On whose behalf, and the signer's own position. Lines behind the last word of behalf belong to it until one begins
    as positions do."""
    last = max((n for n, each in enumerate(positions) if each.folded.startswith(_BEHALF)), default=-1)
    own = next((n for n in range(last + 1, len(positions)) if positions[n].folded.startswith(_TITLES)), None)
    if own is None:
        own = last + 1
    return tuple(positions[:own]), tuple(positions[own:])


def _said(lines: Sequence[Line]) -> str:
    return " ".join(each.text for each in lines)


def _is_name(line: Line) -> bool:
    words = line.text.split()
    return (
        _NAME.fullmatch(line.text) is not None
        and all(each[0].isupper() for each in words)
        and not line.folded.startswith(_BEHALF)
    )


def _name(names: Sequence[Line], above: Line, sheet: PageSheet) -> Found[str]:
    if not names:
        return absent()
    line = names[0]
    name = _without_rank(line.text)
    doubts = (
        "rank" if name != line.text else None,
        "many" if len(names) > 1 else None,
        "capitals" if any(len(each) > 1 and each.isupper() for each in line.text.split()) else None,
        "place" if abs(line.centre - above.centre) > _ASIDE * sheet.size.width else None,
        "too-long" if len(name) > 50 else None,
    )
    return found(name, (line,), doubts)


def _without_rank(text: str) -> str:
    words = text.split()
    while len(words) > 2:
        size = next((n for n in (2, 1) if fold(" ".join(words[:n])).rstrip(".") in _RANKS), 0)
        size = size or (1 if "." in words[0] else 0)
        if not size:
            break
        words = words[size:]
    return " ".join(words)


def _recipients(begins: Line, lines: Sequence[Line], middle: float) -> Found[str]:
    """Down the left column, as far as it goes without a gap; it ends with who files the document."""
    block = [begins]
    for line in lines:
        if line.area.top <= begins.area.top or line.centre >= middle or line.ink is Ink.ADDED:
            continue
        if block[-1].gap_below(line) > _LIST_GAP:
            break
        block.append(line)
    filed = any(each.folded.lstrip("-+* ").startswith(fold(FILED)) for each in block)
    text = "\n".join(each.text for each in block)
    return found(text, block, (None if filed else "plain",))
