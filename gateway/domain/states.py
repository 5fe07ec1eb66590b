"""Names the states of documents and the codes of the wire: `CODES` is the only table of wire codes, `STATES` the only one
of words; labels, API, pages and exports read them. The groups below them say what a state means for a sender.

In: state words. Out: a table row, a group, or the word that stands for a document with several recipients."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from gateway.domain.enums import ValueAtHand


class State:
    """States that code names. A state that no code decides by needs no name, only its rows below."""

    DRAFT: Final = "draft"
    BLOCKED: Final = "blocked"
    QUEUED: Final = "queued"
    SENDING: Final = "sending"
    SENT: Final = "sent"
    FAILED: Final = "failed"
    CANCELLED: Final = "cancelled"
    PAPER: Final = "paper"
    DELIVERED: Final = "delivered"
    REJECTED: Final = "rejected"
    ACCEPTED: Final = "accepted"
    ASSIGNED: Final = "assigned"
    PROCESSING: Final = "processing"
    DONE: Final = "done"
    RECALL_ASKED: Final = "recall_asked"
    TAKE_BACK_ASKED: Final = "take_back_asked"
    UPDATE_ASKED: Final = "update_asked"
    REQUEST_AGREED: Final = "request_agreed"
    REQUEST_REFUSED: Final = "request_refused"
    UNKNOWN: Final = "unknown"


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
            (8, State.DRAFT, "document", "", "grey", "pencil", "form or API"),
            (0, State.BLOCKED, "document", "", "red", "circle-barred", "node's checks"),
            (9, State.QUEUED, "transport", "", "grey", "clock", "node"),
            (10, State.SENDING, "transport", "", "blue", "plane", "node"),
            (12, State.SENT, "transport", "", "blue", "tick", "axis confirm"),
            (1, State.FAILED, "transport", "", "red", "triangle", "node"),
            (19, State.CANCELLED, "transport", "", "grey", "circle-dash", "clerk, before sent"),
            (
                11,
                State.PAPER,
                "transport",
                "",
                "grey",
                "page",
                "node; closed by a person with date and means",
            ),
            (13, State.DELIVERED, "business", "01", "teal", "tray", "recipient's system"),
            (
                2,
                State.REJECTED,
                "business",
                "02",
                "red",
                "circle-cross",
                "recipient's clerk; its node only where no person could act",
            ),
            (14, State.ACCEPTED, "business", "03", "green", "board-tick", "recipient's clerk"),
            (15, State.ASSIGNED, "business", "04", "green", "person", "recipient"),
            (16, State.PROCESSING, "business", "05", "green", "circle-dots", "recipient"),
            (17, State.DONE, "business", "06", "green", "circle-tick", "recipient"),
            (5, State.RECALL_ASKED, "request", "packet type 1", "amber", "back-arrow", "sender"),
            (6, State.TAKE_BACK_ASKED, "request", "13", "amber", "back-arrow", "sender"),
            (7, State.UPDATE_ASKED, "request", "packet type 2", "amber", "circling-arrow", "sender"),
            (18, State.REQUEST_AGREED, "request", "15", "purple", "back-arrow-tick", "recipient"),
            (3, State.REQUEST_REFUSED, "request", "16", "red", "back-arrow-cross", "recipient"),
            (4, State.UNKNOWN, "other", "any other", "grey", "question", "recipient"),
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
            CodeRow("01", Track.BUSINESS, State.DELIVERED, "receiving node, by itself", 1, 2),
            CodeRow("02", Track.BUSINESS, State.REJECTED, "receiver", 2, 2),
            CodeRow("03", Track.BUSINESS, State.ACCEPTED, "receiver", 2, 3),
            CodeRow("04", Track.BUSINESS, State.ASSIGNED, "receiver", 3, 4),
            CodeRow("05", Track.BUSINESS, State.PROCESSING, "receiver", 4, 4),
            CodeRow("06", Track.BUSINESS, State.DONE, "receiver", 5, 5),
            CodeRow("13", Track.REQUEST, State.TAKE_BACK_ASKED, "sender"),
            CodeRow("15", Track.REQUEST, State.REQUEST_AGREED, "receiver"),
            CodeRow("16", Track.REQUEST, State.REQUEST_REFUSED, "receiver"),
        )
    }
)
BUSINESS_CODES = frozenset(code for code, row in CODES.items() if row.track is Track.BUSINESS)
AT_WORK_CODES = tuple(code for code, row in CODES.items() if row.rank > CODES["03"].rank)
"""Codes of the work after a document was taken in."""
TAKEN_CODES = ("03", *AT_WORK_CODES)

TAKEN_IN = frozenset(CODES[code].key for code in TAKEN_CODES)
"""States in which the recipient has taken the document in. One that agreed to a recall is not counted."""
BUSINESS_STATES = frozenset(CODES[code].key for code in BUSINESS_CODES)
DECIDED = BUSINESS_STATES - {State.DELIVERED}
"""States that a decision of the recipient sets."""
AWAITED = frozenset({State.SENT, State.DELIVERED})
"""States in which the document has left, and is still to be taken in."""
IN_QUEUE = (State.QUEUED, State.SENDING)
"""States in which the delivery waits for the axis."""
HAS_IT = AWAITED | TAKEN_IN
"""States in which the recipient has the document, or soon will."""
NOT_HELD = frozenset({State.REJECTED, State.FAILED, State.CANCELLED})
"""Final states in which the recipient does not hold the document."""
NEVER_LEFT = frozenset({State.QUEUED, State.SENDING, State.FAILED, State.CANCELLED, State.PAPER})
"""States in which there is nothing to recall: the delivery can be cancelled, or has failed."""
SILENT = frozenset({State.QUEUED, State.SENDING, State.SENT})
"""States in which nothing has come back yet, neither 01 nor a later code."""
REQUESTED = frozenset({State.RECALL_ASKED, State.TAKE_BACK_ASKED, State.UPDATE_ASKED})
"""States in which a request of the sender waits for its answer."""
ASKED_BACK = frozenset({State.RECALL_ASKED, State.TAKE_BACK_ASKED})
"""States in which the recipient is asked to give the document back, and has not answered."""
GIVEN_BACK = State.REQUEST_AGREED
"""State in which the recipient gave it back."""
REQUEST_ANSWERS = frozenset({State.REQUEST_AGREED, State.REQUEST_REFUSED})
REQUEST_WORDS = frozenset(key for key, row in STATES.items() if row.track == "request")
"""States in which the recipient has answered a request of the sender."""
FAULTY = frozenset(key for key, word in STATES.items() if word.colour == "red")
"""States in which a person has to act."""


def is_given_back(states: Collection[str]) -> bool:
    """Tell whether every recipient that had the document has given it back, and there is one."""
    return GIVEN_BACK in states and NOT_HELD.issuperset({*states} - {GIVEN_BACK})


def worst(states: Iterable[str]) -> str:
    """Return the state of a document with several recipients: the most urgent of theirs for a person."""
    return min(states, key=lambda state: (STATES[state].rank, state))
