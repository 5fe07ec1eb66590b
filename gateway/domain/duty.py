"""Whose turn it is with a document, and since when: one answer for lists, pages and the to-do list, so that all reckon the
time left from the same moment. In: an incoming document and its facts. Out: a `Duty`, or None where nobody waits. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gateway.domain.document import IncomingDocument, InState
from gateway.domain.status import Fact, RequestStanding, Track, fold_incoming, open_request


class Waits(StrEnum):
    """What is waited for."""

    TAKE_IN = "take_in"
    DECIDE = "decide"
    """On hold: to be taken in or refused."""
    ANSWER = "answer"
    """The sender asks for its recall, update or take-back."""
    PARTNER = "partner"
    """A recipient is to take in what we sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    waits: Waits
    since: datetime
    stated: datetime | None = None
    """The hour that a timed express letter names."""


def of_incoming(document: IncomingDocument, facts: Sequence[Fact]) -> Duty | None:
    """An open request goes before what the document itself waits for. Nobody waits for what is sealed."""
    request = None if document.state is InState.SEALED else open_request(fold_incoming(facts))
    if request is not None:
        return Duty(waits=Waits.ANSWER, since=learnt(facts, request))
    if document.state is InState.HELD:
        return Duty(waits=Waits.DECIDE, since=held_since(facts) or document.arrived_at)
    if document.state is InState.NEW:
        return Duty(waits=Waits.TAKE_IN, since=document.arrived_at, stated=document.due_at)
    return None


def learnt(facts: Iterable[Fact], request: RequestStanding) -> datetime:
    """When our node learnt of the request: what the sender says of its own time is no ground for our deadline."""
    times = [
        fact.at
        for fact in facts
        if fact.track is Track.REQUEST and fact.request_id == request.request_id and fact.code == "asked"
    ]
    return min(times, default=request.asked_at)


def held_since(facts: Iterable[Fact]) -> datetime | None:
    """When it was put on hold the last time; None where nothing was."""
    times = [fact.at for fact in facts if fact.track is Track.OTHER and fact.code == "held"]
    return max(times, default=None)
