"""What happened to an incoming document, oldest first: what its sender asked, what we answered and who did it, to whom it
was given. In: its facts and events, the names of persons. Out: lines in the reader's language, each with our time and
theirs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from gateway.document_view.facts import By, FactView, received_fact
from gateway.domain.document import Staff
from gateway.domain.event import Event, EventKind
from gateway.domain.status import Fact
from gateway.words import labels

_EVENTS_TOLD = {
    EventKind.INBOX_ACKED: "handed",
    EventKind.INBOX_REPLIED: "replied",
    EventKind.INBOX_PART_DONE: "part_done",
    EventKind.INBOX_REOPENED: "reopened",
    EventKind.INBOX_SIGNATURES: "signatures",
    EventKind.INBOX_SUBMITTED: "submitted",
    EventKind.INBOX_OPINION: "opinion",
    EventKind.INBOX_HANDED_BACK: "handed_back",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryLine:
    """`who` is a person by name, or in words who else; `said` is what was written, `stated` the time that they state."""

    at: datetime
    word: str
    who: str
    said: tuple[str, ...] = ()
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
    """`content`: whether what people wrote may be shown."""
    made = [
        *(_of_fact(received_fact(each, lang), lang, sender) for each in facts),
        *_of_events(events, names, lang),
    ]
    told = sorted(made, key=lambda line: line.at)
    return told if content else [replace(each, said=(), staff=None) for each in told]


def _of_fact(view: FactView, lang: str, sender: str) -> HistoryLine:
    who = sender if view.by is By.THEM else labels.say(f"incoming.by.{view.by}", lang)
    staff = view.staff
    return HistoryLine(
        at=view.at,
        word=view.word,
        who=staff.name if staff is not None and staff.name else who,
        said=view.said,
        staff=staff,
        stated=view.stated,
        skewed=view.skewed,
    )


def _of_events(events: Sequence[Event], names: Mapping[str, str], lang: str) -> Iterator[HistoryLine]:
    for event in events:
        is_given = event.kind is EventKind.INBOX_STATUS and "assignment" in event.data
        if key := "assigned" if is_given else _EVENTS_TOLD.get(event.kind):
            yield HistoryLine(
                at=event.at,
                word=labels.say(f"incoming.line.{key}", lang),
                who=names.get(event.principal_id, event.principal_id),
                said=_event_said(event, lang),
            )


def _event_said(event: Event, lang: str) -> tuple[str, ...]:
    data = event.data
    match event.kind:
        case EventKind.INBOX_STATUS:
            return _instructions_given(event, lang)
        case EventKind.INBOX_HANDED_BACK:
            return str(data.get("unit", "")), str(data.get("reason", ""))
        case EventKind.INBOX_SUBMITTED | EventKind.INBOX_OPINION:
            words = str(data.get("note") or data.get("opinion") or "")
            return (words,) if words else ()
        case _:
            return ()


def _instructions_given(event: Event, lang: str) -> tuple[str, ...]:
    """Each instruction as it was given: a later one never takes its place (R67)."""
    data = event.data
    unit = data.get("assignment")
    told = [labels.say("incoming.given.lead", lang, unit=unit) if unit else ""]
    if units := data.get("units"):
        told.append(labels.say("incoming.given.helping", lang, units=", ".join(map(str, units))))
    if deadline := data.get("deadline"):
        day = date.fromisoformat(str(deadline)).strftime("%d/%m/%Y")
        told.append(labels.say("incoming.given.deadline", lang, day=day))
    told += [str(data.get("note") or ""), str(data.get("why") or "")]
    return tuple(text for text in told if text)
