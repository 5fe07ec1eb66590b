"""How an outgoing document ended, as its line in the book tells it. In: the document, what its deliveries say, whether a
document replaces it. Out: one `Ending`; some strike the line. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import StrEnum

from gateway.domain.document import OutgoingDocument, OutState
from gateway.domain.states import State, is_given_back
from gateway.domain.status import DeliveryStanding, RequestKind, RequestState


class Ending(StrEnum):
    """End of one attempt to send a document; `book.note.…` in the labels has the words."""

    NONE = "none"
    CANCELLED = "cancelled"
    RECALLED = "recalled"
    TAKEN_BACK = "taken_back"
    REPLACED = "replaced"
    REFUSED = "refused"


STRUCK = frozenset({Ending.CANCELLED, Ending.RECALLED, Ending.TAKEN_BACK})
"""Ends with which the line is struck through; a document that was refused or replaced was issued all the same."""


def ending_of(document: OutgoingDocument, standings: Sequence[DeliveryStanding], is_replaced: bool) -> Ending:
    words = {standing.word for standing in standings}
    if document.state is OutState.CANCELLED:
        return Ending.CANCELLED
    if is_given_back(words):
        return Ending.RECALLED if RequestKind.RECALL in _agreed_kinds(standings) else Ending.TAKEN_BACK
    if is_replaced:
        return Ending.REPLACED
    return Ending.REFUSED if State.REJECTED in words else Ending.NONE


def _agreed_kinds(standings: Sequence[DeliveryStanding]) -> Collection[RequestKind]:
    requests = [request for standing in standings for request in standing.requests]
    return {request.kind for request in requests if request.state is RequestState.AGREED}
