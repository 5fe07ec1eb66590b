"""Where a document came from, and in which register book it stands. In: a document. Out: words that lists are filtered by.
Pure."""

from __future__ import annotations

from enum import StrEnum

from gateway.domain.document import IncomingDocument, OutgoingDocument, OutState

# In no register book.
NO_BOOK = "none"


class Origin(StrEnum):
    """Sent by hand, from a program or at the machine; received over the axis or another way."""

    HAND = "hand"
    PROGRAM = "program"
    MACHINE = "machine"
    AXIS = "axis"
    EMAIL = "email"
    PAPER = "paper"
    OTHER = "other-system"


def book_of(document: OutgoingDocument | IncomingDocument) -> str:
    """The year of its register book."""
    if isinstance(document, OutgoingDocument):
        day = document.draft.issued_on
        return str(day.year) if day is not None and document.state is not OutState.DRAFT else NO_BOOK
    return str(document.register_year) if document.register_no and document.register_year else NO_BOOK
