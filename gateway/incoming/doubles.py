"""Documents that look the same: copies of one document from another source, and look-alikes (R117, duplicates). In: one
document in its transaction. Out: the others, or the document marked. Two copies with two arrival numbers are two lines of
the book about one document, so the clerk who enters the second sees the first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from gateway.domain.document import PAPER_COPY, IncomingDocument, InState, Source
from gateway.domain.text import number_word

if TYPE_CHECKING:
    from gateway.store.work import SqlWork

_ENDED = (InState.REJECTED, InState.RECALLED, InState.REPLACED, InState.SEALED)
_NO_NUMBER = "–"
REPEATED_LEAD = "lead_again"
_MAX_ALIKE = 5


async def other_copies(work: SqlWork, document: IncomingDocument) -> list[IncomingDocument]:
    """Find the copies of the document that came from the other source (axis or paper), newest first. A document without
    number and day has none, since many others would match."""
    return copies_among(
        await work.incoming.numbered(document.number.strip(), document.symbol.strip()), document
    )


def copies_among(peers: Sequence[IncomingDocument], document: IncomingDocument) -> list[IncomingDocument]:
    """Select the copies of the document among those with its number and symbol."""
    if not document.kind.is_whole or not document.number.strip():
        return []
    by_hand = document.source is not Source.AXIS
    copies = _select_copies(peers, document.issued_on, document.sender_code, by_hand=by_hand)
    return [d for d in copies if d.id != document.id]


async def copies_like(
    work: SqlWork, number: str, symbol: str, issued_on: date | None, *, sender_code: str, by_hand: bool
) -> list[IncomingDocument]:
    """Find copies from the other source, by the fields of a document. A typed letter may lack the sender's code;
    different codes mean different senders."""
    if not number.strip() or issued_on is None:
        return []
    peers = await work.incoming.numbered(number.strip(), symbol.strip())
    return _select_copies(peers, issued_on, sender_code, by_hand=by_hand)


def _select_copies(
    peers: Sequence[IncomingDocument], issued_on: date | None, sender_code: str, *, by_hand: bool
) -> list[IncomingDocument]:
    same_day = [d for d in peers if issued_on is not None and d.issued_on == issued_on]
    return [d for d in same_day if _is_other_copy(d, sender_code, by_hand=by_hand)]


def _is_other_copy(other: IncomingDocument, sender_code: str, *, by_hand: bool) -> bool:
    codes = {code.casefold() for code in (other.sender_code, sender_code.strip()) if code}
    is_of_other_source = (other.source is Source.AXIS) is by_hand
    return is_of_other_source and other.state not in _ENDED and len(codes) < 2


def copy_mark(name: str, twin: IncomingDocument) -> str:
    return f"{name}:{number_of_copy(twin)}"


def number_of_copy(twin: IncomingDocument) -> str:
    """Return the copy's arrival number; a dash while it has none."""
    return twin.register_no or _NO_NUMBER


def marks_with_copy(document: IncomingDocument, copies: list[IncomingDocument]) -> tuple[str, ...]:
    """Return the document's marks, with one for the newest copy on paper."""
    other_marks = tuple(mark for mark in document.marks if not mark.startswith(f"{PAPER_COPY}:"))
    return (*other_marks, copy_mark(PAPER_COPY, copies[0])) if copies else document.marks


def marks_with_lead(document: IncomingDocument, twins: Sequence[IncomingDocument]) -> tuple[str, ...]:
    """Return the document's marks, with one where the sender's newest document in force has the same lead file under
    another number. A document that this one replaces may have the same file."""
    own_number = number_word(document.number, document.symbol)
    replaced = {n for n, _ in document.change.replaces} if document.change is not None else set()
    for twin in twins:
        is_other = number_word(twin.number, twin.symbol) != own_number and twin.document_id not in replaced
        if is_other and twin.kind.is_whole and twin.state not in _ENDED:
            return (*document.marks, f"{REPEATED_LEAD}:{twin.code or _NO_NUMBER}")
    return document.marks


async def look_alikes(work: SqlWork, document: IncomingDocument) -> list[IncomingDocument]:
    """Find documents that look the same: same identity, same sender and number on one day, or copies. A recall or an
    update is no copy of the document it is about."""
    if not document.kind.is_whole:
        return []
    alike = {
        d.id: d
        for d in await work.incoming.by_document_id(document.sender_code, document.document_id)
        if d.kind.is_whole
    }
    if document.source is Source.AXIS and document.code:
        peers = await work.incoming.numbered(document.number, document.symbol)
        same_name = [d for d in peers if _has_same_name(d, document)]
        alike = {d.id: d for d in same_name[:_MAX_ALIKE]} | alike
    alike |= {d.id: d for d in await other_copies(work, document)}
    return [d for id, d in alike.items() if id != document.id and not _is_of_one_life(d, document)]


def _has_same_name(other: IncomingDocument, document: IncomingDocument) -> bool:
    """Tell whether two documents have the same sender, number, symbol and day."""
    names = [(d.sender_code.casefold(), d.number, d.symbol, d.issued_on) for d in (other, document)]
    return names[0] == names[1]


def _is_of_one_life(other: IncomingDocument, document: IncomingDocument) -> bool:
    """Tell whether the other is no double, but an expected predecessor or successor: refused, recalled, replaced, sealed,
    or arrived later."""
    return other.state in _ENDED or document.id == other.replaced_by or other.arrived_at > document.arrived_at
