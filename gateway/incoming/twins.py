"""Finds the other copy of a document: one came over the axis, one on paper or another way, with the same number, symbol and
day. In: one of them. Out: the others that are here. Two copies with two arrival numbers are two lines of a book about one
document, so whoever enters the second is told of the first."""

from __future__ import annotations

from datetime import date

from gateway.domain.document import PAPER_COPY, IncomingDocument, InState, Kind, Source
from gateway.ports import Work

_ENDED = (InState.REJECTED, InState.RECALLED, InState.REPLACED, InState.SEALED)
_NO_NUMBER = "–"


async def of(work: Work, document: IncomingDocument) -> list[IncomingDocument]:
    """The newest first. A document without number and day is like many others."""
    if document.kind not in (Kind.DOCUMENT, Kind.REPLACEMENT):
        return []
    found = await like(
        work,
        document.number,
        document.symbol,
        document.issued_on,
        sender_code=document.sender_code,
        by_hand=document.source is not Source.AXIS,
    )
    return [each for each in found if each.id != document.id]


async def like(
    work: Work, number: str, symbol: str, issued_on: date | None, *, sender_code: str, by_hand: bool
) -> list[IncomingDocument]:
    """Those that came the other way. What a person typed may lack the sender's code; two codes that differ are two
    senders."""
    if not number.strip() or issued_on is None:
        return []
    near = await work.incoming.numbered(number.strip(), symbol.strip())
    same_day = [each for each in near if each.issued_on == issued_on]
    return [each for each in same_day if _is_other(each, sender_code, by_hand=by_hand)]


def _is_other(other: IncomingDocument, sender_code: str, *, by_hand: bool) -> bool:
    codes = {code.casefold() for code in (other.sender_code, sender_code.strip()) if code}
    came_the_other_way = (other.source is Source.AXIS) is by_hand
    return came_the_other_way and other.state not in _ENDED and len(codes) < 2


def mark(name: str, twin: IncomingDocument) -> str:
    return f"{name}:{number(twin)}"


def number(twin: IncomingDocument) -> str:
    """Its arrival number; a dash while it has none."""
    return twin.register_no or _NO_NUMBER


def marks(document: IncomingDocument, found: list[IncomingDocument]) -> tuple[str, ...]:
    """Of what came over the axis, with that of the newest copy on paper."""
    others = tuple(each for each in document.marks if not each.startswith(f"{PAPER_COPY}:"))
    return (*others, mark(PAPER_COPY, found[0])) if found else document.marks
