"""What happened to an incoming document, oldest first: what its sender asked, what we answered and who did it, to whom it
was given. In: its facts and events. Out: lines in the reader's language, each with our time and theirs. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from gateway.domain.document import Staff
from gateway.domain.event import Event, EventKind
from gateway.domain.status import CODES, Fact, Track, is_skewed
from gateway.words import labels

_EVENTS = {
    EventKind.INBOX_ACKED: "incoming.line.handed",
    EventKind.INBOX_REPLIED: "incoming.line.replied",
    EventKind.INBOX_SIGNATURES: "incoming.line.signatures",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """`who` is a person, or the key of who else; `said` is what that person wrote, `stated` the time that they state."""

    at: datetime
    word: str
    who: str
    said: tuple[str, ...] = ()
    staff: Staff | None = None
    stated: datetime | None = None
    skewed: bool = False


def lines(
    facts: Sequence[Fact],
    events: Sequence[Event],
    names: Mapping[str, str],
    lang: str,
    *,
    sender: str,
    content: bool,
) -> list[Line]:
    """`content`: whether what people wrote may be shown."""
    made = [*(_of_fact(each, lang, sender) for each in facts), *_of_events(events, names, lang)]
    told = sorted(made, key=lambda line: line.at)
    if content:
        return told
    return [
        Line(at=each.at, word=each.word, who=each.who, stated=each.stated, skewed=each.skewed)
        for each in told
    ]


def _of_fact(fact: Fact, lang: str, sender: str) -> Line:
    by_sender = fact.track is Track.REQUEST and fact.code in ("asked", "withdrawn")
    by_node = fact.code == "01" or fact.track is Track.OTHER
    who = sender if by_sender else labels.say("incoming.by.node" if by_node else "incoming.by.us", lang)
    if fact.staff is not None and fact.staff.name:
        who = fact.staff.name
    return Line(
        at=fact.at,
        word=_word(fact, lang),
        who=who,
        said=_said(fact, lang),
        staff=fact.staff,
        stated=fact.stated_at if fact.stated_at != fact.at else None,
        skewed=is_skewed(fact),
    )


def _word(fact: Fact, lang: str) -> str:
    for key in (
        f"state.in.{fact.request_kind}_{fact.code}",
        f"incoming.line.{fact.code}",
        f"request.{fact.code}",
    ):
        if labels.has(key):
            return labels.say(key, lang)
    row = CODES.get(fact.code)
    if row is None:
        return labels.say("state.unknown", lang, code=fact.code)
    return f"{labels.say(f'state.in.{row.key}', lang)} ({fact.code})"


def _said(fact: Fact, lang: str) -> tuple[str, ...]:
    """The reason and the note, without the packet id that every answer ends with for machines."""
    reference = labels.say("status.reference", "vi", packet="").strip()
    reason = f"reason.{fact.reason}"
    told = [labels.say(reason, lang) if labels.has(reason) else fact.reason or "", fact.note or ""]
    cut = (text.partition(reference)[0].rstrip(" ·") for text in told)
    return tuple(dict.fromkeys(text for text in cut if text))


def _of_events(events: Sequence[Event], names: Mapping[str, str], lang: str) -> Iterator[Line]:
    for each in events:
        who = names.get(each.principal_id, each.principal_id)
        if each.kind is EventKind.INBOX_STATUS and "assignment" in each.data:
            yield Line(
                at=each.at, word=labels.say("incoming.line.assigned", lang), who=who, said=_given(each, lang)
            )
        elif each.kind in _EVENTS:
            yield Line(at=each.at, word=labels.say(_EVENTS[each.kind], lang), who=who)


def _given(event: Event, lang: str) -> tuple[str, ...]:
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
