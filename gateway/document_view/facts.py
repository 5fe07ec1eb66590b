"""States and facts in words. In: a state, a code of another system, a fact of a delivery or of an incoming document; a
language. Out: text; a `FactView` with the state, speaker and written text of a fact; or the history of an incoming
document, oldest first: its sender's requests, our answers and assignments, each with our time and the stated one. A code
without words is shown unchanged, so that foreign codes never break an answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum

from gateway.domain.document import Kind, Staff
from gateway.domain.event import Event, EventKind
from gateway.domain.states import CODES, State, Track
from gateway.domain.status import Fact, RequestState, is_skewed
from gateway.words import labels

_EVENT_KEYS = {
    EventKind.INBOX_ACKED: "handed",
    EventKind.INBOX_REPLIED: "replied",
    EventKind.INBOX_PART_DONE: "part_done",
    EventKind.INBOX_PART_GIVEN: "part_given",
    EventKind.INBOX_INFORMED: "informed",
    EventKind.INBOX_REOPENED: "reopened",
    EventKind.INBOX_SIGNATURES: "signatures",
    EventKind.INBOX_SUBMITTED: "submitted",
    EventKind.INBOX_OPINION: "opinion",
    EventKind.INBOX_HANDED_BACK: "handed_back",
    EventKind.RULE_APPLIED: "rule",
    EventKind.DOCUMENT_FILED: "filed",
    EventKind.DOCUMENT_UNFILED: "unfiled",
}


def state_word(state: str, lang: str) -> str:
    """Return the word for a state that a sender reads."""
    return labels.say_or(f"state.{state}", state, lang)


def short_word(state: str, lang: str) -> str:
    """Return the word for a state in a narrow column."""
    return labels.say_or(f"state.short.{state}", "", lang) or state_word(state, lang)


def received_word(state: str, lang: str, kind: Kind = Kind.DOCUMENT) -> str:
    """Return the word for a state that a receiver reads. A recall or an update has words of its own."""
    request_word = labels.say_or(f"state.in.request.{state}", "", lang) if kind.asks else ""
    return request_word or labels.say_or(f"state.in.{state}", state_word(state, lang), lang)


def packet_word(state: str, lang: str) -> str:
    """Return the word for the state of a stored packet."""
    return labels.say_or(f"packet.{state}", state, lang)


def code_text(code: str | None, lang: str) -> str | None:
    """Return the description of a finding's code; None without a code."""
    return labels.say_or(f"code.{code}", code, lang) if code else None


def without_reference(text: str | None) -> str | None:
    """Return a status's text without the packet id that every answer ends with for machines."""
    reference = labels.say("status.reference", "vi", packet="").strip()
    return (text or "").partition(reference)[0].rstrip(" ·") or None


def received_marks(marks: Iterable[str], lang: str, without: frozenset[str] = frozenset()) -> list[str]:
    """Return the words of a document's marks for its receiver. Marks of requests are left out: facts show them."""
    words = []
    for mark in marks:
        name = mark.partition(":")[0]
        if name in without or name.startswith("request_"):
            continue
        if labels.has(f"incoming.mark.{name}"):
            words.append(labels.say(f"incoming.mark.{name}", lang))
        elif labels.has(f"mark.{name}"):
            words.append(labels.mark_text(mark, lang))
    return words


class FactSource(StrEnum):
    """Speaker of a fact: the node by itself, a person of ours, or the other side."""

    NODE = "node"
    US = "us"
    THEM = "them"


@dataclass(frozen=True, slots=True, kw_only=True)
class FactView:
    """Fact in words. `key` is its state by the table of states, `word` that state in words. `texts` are written by the
    speaker; `stated` is the speaker's time, where it differs from ours."""

    fact: Fact
    key: str
    word: str
    by: FactSource
    texts: tuple[str, ...] = ()
    stated: datetime | None = None
    skewed: bool = False

    @property
    def at(self) -> datetime:
        return self.fact.at

    @property
    def staff(self) -> Staff | None:
        return self.fact.staff

    @property
    def technical(self) -> str:
        """Return the code and detail that the axis gave of a sending, for operators."""
        is_raw = self.fact.track is Track.TRANSPORT and self.fact.code in (State.FAILED, State.SENT)
        return ": ".join(filter(None, (self.fact.reason, self.fact.note))) if is_raw else ""


def sent_fact(fact: Fact, lang: str) -> FactView:
    """Return a fact about a delivery as the document's sender sees it. Our own acts state no time."""
    is_ours = fact.track is Track.TRANSPORT or _is_of_request(fact)
    return FactView(
        fact=fact,
        key=_state_key(fact),
        word=_withdrawn_word(fact, lang) or state_word(_state_key(fact), lang),
        by=FactSource.NODE if is_ours else FactSource.THEM,
        texts=_written_text(fact, lang),
        stated=None if is_ours else fact.stated_at,
        skewed=not is_ours and is_skewed(fact),
    )


def received_fact(fact: Fact, lang: str) -> FactView:
    """Return a fact about an incoming document as its receiver sees it."""
    by = FactSource.NODE if fact.code == "01" or fact.track is Track.OTHER else FactSource.US
    return FactView(
        fact=fact,
        key=_state_key(fact),
        word=_withdrawn_word(fact, lang)
        or labels.say_or(f"incoming.line.{fact.code}", "", lang)
        or received_word(_state_key(fact), lang),
        by=FactSource.THEM if _is_of_request(fact) else by,
        texts=_written_text(fact, lang),
        stated=fact.stated_at if fact.stated_at != fact.at else None,
        skewed=is_skewed(fact),
    )


def _state_key(fact: Fact) -> str:
    if fact.track is Track.TRANSPORT:
        return fact.code
    if fact.track is Track.REQUEST and fact.code == RequestState.OPEN:
        return f"{fact.request_kind}_asked"
    return CODES[fact.code].key if fact.code in CODES else State.UNKNOWN


def _is_of_request(fact: Fact) -> bool:
    """Tell whether the fact opens or withdraws a request of the document's sender, and is no answer."""
    return fact.track is Track.REQUEST and fact.code in (RequestState.OPEN, RequestState.WITHDRAWN)


def _withdrawn_word(fact: Fact, lang: str) -> str:
    is_withdrawn = fact.track is Track.REQUEST and fact.code == RequestState.WITHDRAWN
    return labels.say("request.withdrawn", lang) if is_withdrawn else ""


def _written_text(fact: Fact, lang: str) -> tuple[str, ...]:
    """Return the reason and the note of a fact as texts, each once. What the axis said of a sending is for operators."""
    if fact.track is Track.TRANSPORT and fact.code == State.SENT:
        return ()
    if fact.track is Track.TRANSPORT and fact.code == State.FAILED:
        code_text = labels.say_or(f"code.{fact.reason}", labels.say("failure.other", lang), lang)
        return (labels.say_or(f"failure.{fact.reason}", code_text, lang),)
    reason = labels.say_or(f"reason.{fact.reason}", fact.reason or "", lang)
    texts = (heir_text(fact.heir, fact.heir_by, lang), reason, fact.note)
    return tuple(dict.fromkeys(text for t in texts if (text := without_reference(t))))


def heir_text(heir: str | None, decision: str | None, lang: str) -> str | None:
    """Say that a successor answered in place of the recipient, with the decision; None where the recipient did."""
    if heir is None or decision is None:
        return None
    return labels.say("status.heir", lang, heir=heir, decision=decision)


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryLine:
    """Line of a document's history. `speaker` is a person's name, or a word for another speaker. `texts` are written, and
    `stated` is the time that the speaker states."""

    at: datetime
    word: str
    speaker: str
    texts: tuple[str, ...] = ()
    staff: Staff | None = None
    stated: datetime | None = None
    skewed: bool = False


def history_lines(
    facts: Sequence[Fact],
    events: Sequence[Event],
    names: Mapping[str, str],
    lang: str,
    *,
    sender: str,
    content: bool,
) -> list[HistoryLine]:
    """Return the history of an incoming document, oldest first. Without `content`, texts and staff are left out."""
    lines = [
        *(_fact_line(received_fact(fact, lang), lang, sender) for fact in facts),
        *_event_lines(events, names, lang),
    ]
    ordered = sorted(lines, key=lambda line: line.at)
    return ordered if content else [replace(line, texts=(), staff=None) for line in ordered]


def _fact_line(view: FactView, lang: str, sender: str) -> HistoryLine:
    speaker = sender if view.by is FactSource.THEM else labels.say(f"incoming.by.{view.by}", lang)
    staff = view.staff
    return HistoryLine(
        at=view.at,
        word=view.word,
        speaker=staff.name if staff is not None and staff.name else speaker,
        texts=view.texts,
        staff=staff,
        stated=view.stated,
        skewed=view.skewed,
    )


def _event_lines(events: Sequence[Event], names: Mapping[str, str], lang: str) -> Iterator[HistoryLine]:
    for event in events:
        is_assigned = event.kind is EventKind.INBOX_STATUS and "assignment" in event.data
        if key := "assigned" if is_assigned else _EVENT_KEYS.get(event.kind):
            yield HistoryLine(
                at=event.at,
                word=labels.say(f"incoming.line.{key}", lang),
                speaker=names.get(event.principal_id, event.principal_id),
                texts=_event_text(event, lang, names),
            )


def _unit_text(entry: Mapping[str, object], names: Mapping[str, str]) -> tuple[str, ...]:
    """Return the unit, and the person of it."""
    unit, person = str(entry.get("unit", "")), str(entry.get("person") or "")
    return (f"{unit}: {names.get(person, person)}" if person else unit,)


def persons_in(events: Iterable[Event]) -> set[str]:
    """Return the persons whom the events name: who acted, and to whom work was given."""
    person_ids = {event.principal_id for event in events}
    for event in events:
        person_ids |= {str(event.data["person"])} if event.data.get("person") else set()
        for key in ("persons", "informed"):
            person_ids |= {entry["person"] for entry in event.data.get(key) or () if entry.get("person")}
    return person_ids


def _event_text(event: Event, lang: str, names: Mapping[str, str]) -> tuple[str, ...]:
    data = event.data
    match event.kind:
        case EventKind.INBOX_STATUS:
            return _instruction_lines(event, lang, names)
        case EventKind.INBOX_HANDED_BACK:
            return str(data.get("unit", "")), str(data.get("reason", ""))
        case EventKind.INBOX_PART_GIVEN | EventKind.INBOX_INFORMED:
            return _unit_text(data, names)
        case EventKind.INBOX_SUBMITTED | EventKind.INBOX_OPINION:
            words = str(data.get("note") or data.get("opinion") or "")
            return (words,) if words else ()
        case EventKind.RULE_APPLIED:
            target = data.get("tag") or names.get(str(data.get("person")), "")
            return (labels.say(f"incoming.rule.{data['what']}", lang, rule=data["name"], target=target),)
        case EventKind.DOCUMENT_FILED | EventKind.DOCUMENT_UNFILED:
            return (str(data["code"]),)
        case _:
            return ()


def _instruction_lines(event: Event, lang: str, names: Mapping[str, str]) -> tuple[str, ...]:
    """Return the lines of one assignment as it was given; a later one never replaces it (R67, instructions stay)."""
    data = event.data
    unit = data.get("assignment")
    lines = [labels.say("incoming.given.lead", lang, unit=unit) if unit else ""]
    if units := data.get("units"):
        lines.append(labels.say("incoming.given.helping", lang, units=", ".join(map(str, units))))
    for key in ("persons", "informed"):
        if entries := data.get(key):
            listed = "; ".join(text for entry in entries for text in _unit_text(entry, names))
            lines.append(labels.say(f"incoming.given.{key}", lang, names=listed))
    if deadline := data.get("deadline"):
        day = date.fromisoformat(str(deadline)).strftime("%d/%m/%Y")
        lines.append(labels.say("incoming.given.deadline", lang, day=day))
    lines += [str(data.get("note") or ""), str(data.get("why") or "")]
    return tuple(text for text in lines if text)


def count_readings(events: Iterable[Event]) -> tuple[int, int]:
    """Count how often persons and programs read the content, and how many they are: R128 (statistics of readings)."""
    readings = [event for event in events if event.kind is EventKind.DOCUMENT_READ]
    return sum(int(r.data.get("count", 1)) for r in readings), len({r.principal_id for r in readings})
