"""The recipients of one outgoing document as their page shows them: one row each, and behind it everything known, oldest
first. In: what was found, a moment, a language. Out: rows, bad ones first, then by name. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway.domain.collation import name_key
from gateway.domain.document import Delivery, Staff
from gateway.domain.event import Event, EventKind
from gateway.domain.status import CODES, Fact, Track, is_skewed
from gateway.office.web.pages.outgoing.seen import Found
from gateway.words import labels

_BAD = frozenset({"failed", "rejected", "request_refused", "unknown", "blocked"})
# Nothing has come back yet: neither 01 nor anything after it.
SILENT = frozenset({"queued", "sending", "sent"})
_TRANSPORT_TEXTS = frozenset({"queued", "sent", "failed", "cancelled"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One line of a timeline. `who` is `node`, `them`, or the name of a person of theirs or ours, with `staff` to reach;
    `packet` is the part of an address that opens the signed packet behind it."""

    at: datetime | None
    word: str
    text: str
    stated: datetime | None = None
    skewed: bool = False
    who: str = ""
    staff: Staff | None = None
    note: str = ""
    packet: str = ""
    proved: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`took` is how long it was from the axis to its taking in; `late` that it should have taken it in by now."""

    delivery: Delivery
    word: str
    text: str
    late: bool
    at: datetime | None = None
    note: str = ""
    took: timedelta | None = None
    marks: tuple[str, ...] = ()
    lines: tuple[Moment, ...] = field(default=(), repr=False)


def rows(found: Found, now: datetime, lang: str) -> list[Row]:
    made = [_row(found, each, now, lang) for each in found.deliveries]
    return sorted(made, key=lambda row: (not _is_bad(row), not row.late, name_key(_name(row.delivery))))


def counts(made: Sequence[Row]) -> dict[str, int]:
    """How many stand in each state, in the order of the rows."""
    found: dict[str, int] = {}
    for row in made:
        found[row.word] = found.get(row.word, 0) + 1
    return found


def silent(made: Sequence[Row]) -> int:
    return sum(row.word in SILENT for row in made)


def plain(text: str | None) -> str:
    """What a person wrote in a status, without the packet id that every answer ends with for machines."""
    reference = labels.say("status.reference", "vi", packet="").strip()
    return (text or "").partition(reference)[0].rstrip(" ·")


def _row(found: Found, delivery: Delivery, now: datetime, lang: str) -> Row:
    facts = sorted(found.facts.get(delivery.id, ()), key=lambda each: each.at)
    shown = _shown(facts, delivery.state)
    sent = next((each.at for each in facts if each.code == "sent"), None)
    taken = next((each.at for each in facts if each.track is Track.BUSINESS and each.code == "03"), None)
    late = found.is_late(delivery, now)
    lines = [_line(each, delivery, found, lang, _nth(each, facts)) for each in facts]
    lines += [_urged(each, lang) for each in found.events if _is_about(each, delivery)]
    lines.sort(key=lambda each: each.at or now)
    if late and found.line is not None and found.line.due_at is not None:
        lines.append(
            Moment(at=None, word="late", text=labels.say("outgoing.late", lang), stated=found.line.due_at)
        )
    return Row(
        delivery=delivery,
        word=delivery.state,
        text=labels.say(f"state.{delivery.state}", lang, code=""),
        late=late,
        at=shown.at if shown is not None else delivery.updated_at,
        note=" · ".join(_notes(shown, lang))
        if shown is not None and shown.track is not Track.TRANSPORT
        else "",
        took=taken - sent if sent is not None and taken is not None and taken >= sent else None,
        marks=tuple(labels.mark_text(each, lang) for each in delivery.marks),
        lines=tuple(lines),
    )


def _is_bad(row: Row) -> bool:
    return row.word in _BAD


def _name(delivery: Delivery) -> str:
    return delivery.recipient.name or delivery.recipient.code


def _shown(facts: Sequence[Fact], state: str) -> Fact | None:
    """The newest fact that says the word which is shown; else the newest of all."""
    fitting = [each for each in facts if _key(each) == state]
    return (fitting or list(facts))[-1] if facts else None


def _key(fact: Fact) -> str:
    if fact.track is Track.TRANSPORT:
        return fact.code
    if fact.track is Track.REQUEST and fact.code == "asked":
        return f"{fact.request_kind}_asked"
    return CODES[fact.code].key if fact.code in CODES else "unknown"


def _nth(fact: Fact, facts: Sequence[Fact]) -> int:
    """The how-manieth of its kind it is."""
    return sum(each.code == fact.code and each.at <= fact.at for each in facts)


def _line(fact: Fact, delivery: Delivery, found: Found, lang: str, nth: int) -> Moment:
    ours = fact.track is Track.TRANSPORT or (
        fact.track is Track.REQUEST and fact.code in ("asked", "withdrawn")
    )
    is_own_time = ours or fact.stated_at is None
    word = _key(fact)
    return Moment(
        at=fact.at,
        stated=None if is_own_time else fact.stated_at,
        skewed=not is_own_time and is_skewed(fact),
        who="node" if ours else "them",
        staff=fact.staff,
        word=word,
        text=_text(fact, word, lang),
        note=" · ".join(_notes(fact, lang, nth)),
        packet=_packet(fact, delivery, found, ours),
        proved=fact.proved,
    )


def _text(fact: Fact, word: str, lang: str) -> str:
    if fact.track is Track.REQUEST and fact.code == "withdrawn":
        return labels.say("request.withdrawn", lang)
    text = labels.say(f"state.{word}", lang, code=fact.code)
    return f"{text} ({fact.code})" if fact.code in CODES else text


def _notes(fact: Fact, lang: str, nth: int = 1) -> list[str]:
    said = [plain(fact.reason), plain(fact.note)]
    if fact.track is Track.TRANSPORT and fact.code in _TRANSPORT_TEXTS:
        said.insert(0, labels.say(f"outgoing.step.{fact.code}", lang, n=nth))
    return [each for each in dict.fromkeys(said) if each]


def _packet(fact: Fact, delivery: Delivery, found: Found, ours: bool) -> str:
    if ours:
        digest = found.document.envelope_digest
        return (
            f"{digest}"
            if digest is not None and fact.track is Track.TRANSPORT and fact.code == "sent"
            else ""
        )
    if fact.packet_digest is None:
        return ""
    return f"{fact.packet_digest}?noi-nhan={delivery.recipient.code}"


def _is_about(event: Event, delivery: Delivery) -> bool:
    is_urging = event.kind is EventKind.MESSAGE_URGED
    return is_urging and str(event.data.get("to", "")).casefold() == delivery.recipient.code.casefold()


def _urged(event: Event, lang: str) -> Moment:
    return Moment(
        at=event.at,
        word="urged",
        who=str(event.data.get("person", "")),
        text=labels.say("outgoing.urged", lang),
        note=labels.say(f"outgoing.urge.how.{event.data.get('how', 'other')}", lang),
    )
