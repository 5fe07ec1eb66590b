"""What became of a person's own acts on letters, for the live line of an open page: that one took effect, with the arrival
number, or that it could not be done. In: the stream's request, and the place in the log up to which its page was told. Out:
the outcomes since, each once, as words for the row and for the foot of the pane; and the new place. Nothing is written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypedDict

from gateway.domain.document import IncomingDocument, InState
from gateway.domain.event import EventKind
from gateway.domain.states import State
from gateway_office.domain.pending import PendingAct
from gateway_office.web.page_requests import PageRequest

# Transactions of a server end in another order than they take their places in.
_OVERLAP = 200
_LOOK_BACK = 10_000
_JUST_NOW = timedelta(seconds=30)
_MOST_ACTS = 500
_WORDS = {
    InState.ACCEPTED: State.ACCEPTED,
    InState.REJECTED: State.REJECTED,
    InState.ASSIGNED: State.ASSIGNED,
    InState.PROCESSING: State.ASSIGNED,
}


class ToldAct(TypedDict):
    """One outcome: `word` stands in the letter's row, `said` at the foot."""

    id: str
    word: str
    said: str
    failed: bool


@dataclass(kw_only=True)
class ToldActs:
    """Memory of one stream. `place` is the position that its page knows."""

    request: PageRequest
    place: int = 0
    _reported: set[int | str] = field(default_factory=set)

    async def begin(self) -> None:
        """Begin now, or where the page's last stream ended."""
        last_id = self.request.http.headers.get("Last-Event-ID", "")
        async with self.request.deps.store.read(self.request.scope()) as work:
            last = await work.events.last_position()
        start = int(last_id) if last_id.isascii() and last_id.isdigit() and len(last_id) < 19 else last
        self.place = min(max(start, last - _LOOK_BACK), last)

    async def since(self) -> Sequence[ToldAct]:
        """Return what has come of the person's acts since the last look."""
        person, since = self.request.person.person.id, self.request.deps.clock.now() - _JUST_NOW
        async with self.request.deps.store.read(self.request.scope()) as work:
            last = await work.events.last_position()
            from_place = self.place - _OVERLAP if self._reported else self.place
            effects = await work.events.own_after(from_place, EventKind.INBOX_STATUS)
            fresh = {id for place, id in effects.items() if place not in self._reported}
            acts = (await work.office.pending.all(_MOST_ACTS)).values()
            failed = [
                act
                for act in acts
                if act.person_id == person
                and act.failed_at is not None
                and act.failed_at >= since
                and act.id not in self._reported
            ]
            documents = [await work.incoming.get(id) for id in sorted(fresh)]
            failures = [(act, await work.incoming.get(act.document_id)) for act in failed]
        self._reported |= {*effects, *(act.id for act in failed), self.place}
        self.place = last
        return [*self._effects(documents), *self._failures(failures)]

    def _effects(self, documents: Iterable[IncomingDocument]) -> Iterable[ToldAct]:
        say = self.request.say
        for document in documents:
            if document.state not in _WORDS:
                continue
            word, sentence = say(f"listing.deed.{_WORDS[document.state]}"), ""
            if document.state is InState.ACCEPTED and document.register_no:
                word = say("listing.arrival_no", number=document.register_no)
                sentence = say("incoming.entered", name=document.code, number=document.register_no)
            yield ToldAct(
                id=document.id, word=word, said=sentence or f"{document.code}: {word}", failed=False
            )

    def _failures(self, acts: Iterable[tuple[PendingAct, IncomingDocument]]) -> Iterable[ToldAct]:
        for act, document in acts:
            word = self.request.say(f"incoming.unfinished.{act.kind}")
            name = self.request.person.person.name
            reason = self.request.say(f"incoming.fault.{act.fault}", person=name)
            yield ToldAct(id=document.id, word=word, said=f"{document.code}: {word} {reason}", failed=True)
