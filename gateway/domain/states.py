"""Names the states of documents and the codes of the wire: `CODES` is the only table of wire codes, `STATES` the only one
of words; labels, API, pages and exports read them. The groups below them say what a state means for a sender.

In: state words. Out: a table row, a group, or the word that stands for a document with several recipients."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from gateway.domain.enums import ValueAtHand


@dataclass(frozen=True, slots=True, kw_only=True)
class StateWord:
    """Word for a state that may be shown. `wire` is the status code or packet type behind it; `rank` orders the words,
    the most urgent for a person first."""

    rank: int
    key: str
    track: str
    wire: str
    colour: str
    shape: str
    set_by: str


STATES: Mapping[str, StateWord] = MappingProxyType(
    {
        key: StateWord(rank=rank, key=key, track=track, wire=wire, colour=colour, shape=shape, set_by=set_by)
        for rank, key, track, wire, colour, shape, set_by in (
            (8, "draft", "document", "", "grey", "pencil", "form or API"),
            (0, "blocked", "document", "", "red", "circle-barred", "node's checks"),
            (9, "queued", "transport", "", "grey", "clock", "node"),
            (10, "sending", "transport", "", "blue", "plane", "node"),
            (12, "sent", "transport", "", "blue", "tick", "axis confirm"),
            (1, "failed", "transport", "", "red", "triangle", "node"),
            (19, "cancelled", "transport", "", "grey", "circle-dash", "clerk, before sent"),
            (11, "paper", "transport", "", "grey", "page", "node; closed by a person with date and means"),
            (13, "delivered", "business", "01", "teal", "tray", "recipient's system"),
            (
                2,
                "rejected",
                "business",
                "02",
                "red",
                "circle-cross",
                "recipient's clerk; its node only where no person could act",
            ),
            (14, "accepted", "business", "03", "green", "board-tick", "recipient's clerk"),
            (15, "assigned", "business", "04", "green", "person", "recipient"),
            (16, "processing", "business", "05", "green", "circle-dots", "recipient"),
            (17, "done", "business", "06", "green", "circle-tick", "recipient"),
            (5, "recall_asked", "request", "packet type 1", "amber", "back-arrow", "sender"),
            (6, "take_back_asked", "request", "13", "amber", "back-arrow", "sender"),
            (7, "update_asked", "request", "packet type 2", "amber", "circling-arrow", "sender"),
            (18, "request_agreed", "request", "15", "purple", "back-arrow-tick", "recipient"),
            (3, "request_refused", "request", "16", "red", "back-arrow-cross", "recipient"),
            (4, "unknown", "other", "any other", "grey", "question", "recipient"),
        )
    }
)


class Track(ValueAtHand, StrEnum):
    TRANSPORT = "transport"
    BUSINESS = "business"
    REQUEST = "request"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class CodeRow:
    """Wire status code with its track, its word, and the party that sets it. On the business track `rank` orders the
    codes, and `step` counts the steps of a delivery that the code implies."""

    code: str
    track: Track
    key: str
    set_by: str
    rank: int = 0
    step: int = 0


CODES: Mapping[str, CodeRow] = MappingProxyType(
    {
        row.code: row
        for row in (
            CodeRow("01", Track.BUSINESS, "delivered", "receiving node, by itself", 1, 2),
            CodeRow("02", Track.BUSINESS, "rejected", "receiver", 2, 2),
            CodeRow("03", Track.BUSINESS, "accepted", "receiver", 2, 3),
            CodeRow("04", Track.BUSINESS, "assigned", "receiver", 3, 4),
            CodeRow("05", Track.BUSINESS, "processing", "receiver", 4, 4),
            CodeRow("06", Track.BUSINESS, "done", "receiver", 5, 5),
            CodeRow("13", Track.REQUEST, "take_back_asked", "sender"),
            CodeRow("15", Track.REQUEST, "request_agreed", "receiver"),
            CodeRow("16", Track.REQUEST, "request_refused", "receiver"),
        )
    }
)
BUSINESS_CODES = frozenset(code for code, row in CODES.items() if row.track is Track.BUSINESS)
AT_WORK_CODES = tuple(code for code, row in CODES.items() if row.rank > CODES["03"].rank)
"""Codes of the work after a document was taken in."""
TAKEN_CODES = ("03", *AT_WORK_CODES)

TAKEN_IN = frozenset(CODES[code].key for code in TAKEN_CODES)
"""States in which the recipient has taken the document in. One that agreed to a recall is not counted."""
AWAITED = frozenset({"sent", "delivered"})
"""States in which the document has left, and is still to be taken in."""
HAS_IT = AWAITED | TAKEN_IN
"""States in which the recipient has the document, or soon will."""
NOT_HELD = frozenset({"rejected", "failed", "cancelled"})
"""Final states in which the recipient does not hold the document."""
NEVER_LEFT = frozenset({"queued", "sending", "failed", "cancelled", "paper"})
"""States in which there is nothing to recall: the delivery can be cancelled, or has failed."""
SILENT = frozenset({"queued", "sending", "sent"})
"""States in which nothing has come back yet, neither 01 nor a later code."""
REQUESTED = frozenset({"recall_asked", "take_back_asked", "update_asked"})
"""States in which a request of the sender waits for its answer."""
ASKED_BACK = frozenset({"recall_asked", "take_back_asked"})
"""States in which the recipient is asked to give the document back, and has not answered."""
GIVEN_BACK = "request_agreed"
"""State in which the recipient gave it back."""
FAULTY = frozenset(key for key, word in STATES.items() if word.colour == "red")
"""States in which a person has to act."""


def is_given_back(states: Collection[str]) -> bool:
    """Tell whether every recipient that had the document has given it back, and there is one."""
    return GIVEN_BACK in states and NOT_HELD.issuperset({*states} - {GIVEN_BACK})


def worst(states: Iterable[str]) -> str:
    """Return the state of a document with several recipients: the most urgent of theirs for a person."""
    return min(states, key=lambda state: STATES[state].rank)
