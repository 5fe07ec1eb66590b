"""How much went between this node and its partners: counts by day, partner, direction and what became of it. In: states of
deliveries and of incoming documents. Out: one of a few results for each. Pure; nothing of what documents are about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from gateway.office.domain.listing import Side

# In the order of the page.
RESULTS = ("waiting", "sent", "taken", "refused", "failed", "other")
# Counting is one look at each document of the time, so the time is bounded.
LONGEST_DAYS = 31
_RESULT_OUT: Mapping[str, str] = {
    **dict.fromkeys(("queued", "sending"), "waiting"),
    **dict.fromkeys(("sent", "delivered", "recall_asked", "take_back_asked", "update_asked"), "sent"),
    **dict.fromkeys(("accepted", "assigned", "processing", "done"), "taken"),
    **dict.fromkeys(("rejected", "request_refused"), "refused"),
    "failed": "failed",
}
_RESULT_IN: Mapping[str, str] = {
    **dict.fromkeys(("new", "held"), "waiting"),
    **dict.fromkeys(("accepted", "assigned", "processing", "done", "replaced"), "taken"),
    "rejected": "refused",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficWanted:
    """Both days are meant whole. `agency_id` is one of ours, or empty for all; `partner` a code, or empty; `side` None is
    both directions."""

    first: date
    last: date
    agency_id: str = ""
    partner: str = ""
    side: Side | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """`n` documents to one recipient, or from one sender, on one day, of which this became."""

    day: date
    agency_id: str
    side: Side
    partner: str
    result: str
    n: int


def result_of(side: Side, state: str) -> str:
    return (_RESULT_OUT if side is Side.OUT else _RESULT_IN).get(state, "other")
