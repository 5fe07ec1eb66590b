"""The words a document or delivery can be shown with: key, wire code, colour, shape and who sets it (interfaces.md 1.2).
In: nothing. Out: `STATES`, and `worst` for a document with several recipients. Texts are in `labels`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class StateWord:
    """One word that may be shown. `wire` is the status code or packet type behind it."""

    key: str
    track: str
    wire: str
    colour: str
    shape: str
    set_by: str


STATES: Mapping[str, StateWord] = MappingProxyType(
    {
        key: StateWord(key=key, track=track, wire=wire, colour=colour, shape=shape, set_by=set_by)
        for key, track, wire, colour, shape, set_by in (
            ("draft", "document", "", "grey", "circle-hollow", "form or API"),
            ("blocked", "document", "", "red", "circle-barred", "node's checks"),
            ("queued", "transport", "", "grey", "clock", "node"),
            ("sending", "transport", "", "blue", "arrow", "node"),
            ("sent", "transport", "", "blue", "tick", "axis confirm"),
            ("failed", "transport", "", "red", "triangle", "node"),
            ("cancelled", "transport", "", "grey", "dash", "clerk, before sent"),
            (
                "paper",
                "transport",
                "",
                "grey",
                "page",
                "node; closed by a person with date and means",
            ),
            ("delivered", "business", "01", "teal", "two-ticks", "recipient's system"),
            (
                "rejected",
                "business",
                "02",
                "red",
                "cross",
                "recipient's clerk; by itself only as interfaces.md 1.5",
            ),
            ("accepted", "business", "03", "green", "box-tick", "recipient's clerk"),
            ("assigned", "business", "04", "green", "person", "recipient"),
            ("processing", "business", "05", "green", "circle-half", "recipient"),
            ("done", "business", "06", "green", "circle-full", "recipient"),
            ("recall_asked", "request", "packet type 1", "amber", "back-arrow", "sender"),
            ("take_back_asked", "request", "13", "amber", "back-arrow", "sender"),
            ("update_asked", "request", "packet type 2", "amber", "circling-arrow", "sender"),
            ("request_agreed", "request", "15", "purple", "back-arrow-tick", "recipient"),
            ("request_refused", "request", "16", "red", "back-arrow-cross", "recipient"),
            ("unknown", "other", "any other", "grey", "question", "recipient"),
        )
    }
)

# The word that needs a person soonest comes first.
_WORST_FIRST = (
    "blocked",
    "failed",
    "rejected",
    "request_refused",
    "unknown",
    "recall_asked",
    "take_back_asked",
    "update_asked",
    "draft",
    "queued",
    "sending",
    "paper",
    "sent",
    "delivered",
    "accepted",
    "assigned",
    "processing",
    "done",
    "request_agreed",
    "cancelled",
)


def worst(states: Iterable[str]) -> str:
    """The word for a document with several recipients: the one that needs a person soonest. At least one is given."""
    return min(states, key=_WORST_FIRST.index)
