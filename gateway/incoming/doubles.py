"""Which other documents here look like this one (R117). In: an incoming document. Out: those of the same sender under the
same document id or the same number, symbol and day, and the copy that came another way; what came before it on purpose is
none. Pages and programs are told the same."""

from __future__ import annotations

from gateway.domain.document import IncomingDocument, InState, Kind, Source
from gateway.incoming import twins
from gateway.ports import Work

_WHOLE = (Kind.DOCUMENT, Kind.REPLACEMENT)
_ENDED = (InState.REJECTED, InState.REPLACED, InState.RECALLED, InState.SEALED)
_MOST = 5


async def of(work: Work, document: IncomingDocument) -> list[IncomingDocument]:
    """A recall or an update is no second copy of what it is about."""
    if document.kind not in _WHOLE:
        return []
    found = {
        each.id: each
        for each in await work.incoming.by_document_id(document.sender_code, document.document_id)
        if each.kind in _WHOLE
    }
    code = "/".join(part for part in (document.number, document.symbol) if part)
    if document.source is Source.AXIS and code:
        same = [
            each
            for each in await work.incoming.numbered(document.number, document.symbol)
            if _is_same(each, document)
        ]
        found = {each.id: each for each in same[:_MOST]} | found
    found |= {each.id: each for each in await twins.of(work, document)}
    return [each for id, each in found.items() if id != document.id and not _is_of_one_life(each, document)]


def _is_same(other: IncomingDocument, document: IncomingDocument) -> bool:
    """Of that sender, under that very number, on that day."""
    names = [
        (each.sender_code.casefold(), each.number, each.symbol, each.issued_on) for each in (other, document)
    ]
    return names[0] == names[1]


def _is_of_one_life(other: IncomingDocument, document: IncomingDocument) -> bool:
    """An attempt that was refused, and what was replaced, came before on purpose."""
    return other.state in _ENDED or document.id == other.replaced_by or other.arrived_at > document.arrived_at
