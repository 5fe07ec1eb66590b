"""Figures of documents: sent, received, refused, recalled, taken in, done on time or late, answered, on paper, read; and of
sign-ins. In: events in their order, and the facts known before. Out: changed facts, and what they change in daily cells.
A figure belongs to the day on which its document was sent or came, so a later event moves it within that day: a period's
figures are always those of its documents as they stand now. Each cell is a sum over facts, so the sizes of the batches in
which events are read do not matter. Pure: `store.figures` loads and saves.

A cell counts one dimension at a time, of the whole agency or of one unit, by day and by month. Two dimensions at once are
counted by month alone, and of the pairs that reports ask for: a cell for each combination and day would be nearly one for
each document. Facts hold no title and no name, and stay when their document is erased."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Final, NamedTuple

from gateway.domain.document import DeliveryMode, IncomingDocument, Kind, OutgoingDocument, Source
from gateway.domain.event import Event, EventKind
from gateway.domain.signatures import LegalValue
from gateway.domain.states import BUSINESS_CODES, BUSINESS_STATES, CODES, DECIDED, TAKEN_IN, State
from gateway.domain.wall_clock import local

OUT, IN, READ, USE = "out", "in", "read", "use"
DAY, MONTH = "d", "m"
NO_UNIT: Final = "-"
"""Unit of documents that no unit has: incoming ones not assigned yet, outgoing ones without their drafting unit."""
_RECALLS = ("recall", "take_back")
_OF_PERSONS = (EventKind.DOCUMENT_READ, EventKind.SESSION_BEGUN, EventKind.SESSION_AGENCY)
_OF_ALL_DELIVERIES = (EventKind.INBOX_ANSWERED, EventKind.MESSAGE_CANCELLED, EventKind.MESSAGE_LEFT)
COUNTED_TEXTS: Final = frozenset(
    {"agency", "assignment", "mode_by", "persons", "role", "to", "to_know", "type", "unit"}
)
"""Texts of events that are counted: where one is deleted from the log, the figures keep it."""
COUNTED_IF_PRESENT: Final = frozenset({"file"})
"""Texts whose presence alone is counted, and kept."""


class Dimension(StrEnum):
    """What a cell is counted by; its key is a type, an urgency, a code, a person's id, a reason or a due day."""

    ALL = ""
    TYPE = "type"
    URGENCY = "urgency"
    PARTNER = "partner"
    UNIT = "unit"
    """Of pairs alone: any other cell has its unit beside its dimension."""
    PERSON = "person"
    ROLE = "role"
    REASON = "reason"
    DUE = "due"
    """Open documents by their due day, so that those overdue today are a sum."""
    REPLY_DUE = "reply_due"
    """Owed replies by their due day."""


PAIRS: Final = {
    (first, second): f"{first}/{second}"
    for first, seconds in (
        (Dimension.PARTNER, (Dimension.TYPE, Dimension.URGENCY, Dimension.UNIT)),
        (Dimension.TYPE, (Dimension.PARTNER, Dimension.URGENCY)),
        (Dimension.URGENCY, (Dimension.PARTNER, Dimension.TYPE)),
        (Dimension.UNIT, (Dimension.PARTNER,)),
    )
    for second in seconds
}
"""Names of the pairs that are counted by month. A cell of a pair has the value of its first dimension in the place of the
unit, so that all lines of one value lie together. Types and urgencies of one unit are cells of that unit, by day too."""
OF_USE: Final = ("reads", "read_files", "sign_ins")
MEASURES: Final = (
    "documents",
    "electronic",
    "with_paper",
    "paper",
    "unsigned",
    "replacements",
    "recipients",
    "failed",
    "delivered",
    "delivered_s",
    "handed",
    "taken",
    "taken_s",
    "refused",
    "recalled",
    "done",
    "done_s",
    "due",
    "on_time",
    "late",
    "late_s",
    "open_due",
    "asked",
    "replied",
    "replied_late",
    "owed",
    *OF_USE,
)
"""Columns of a cell. Names that end in `_s` are sums of seconds over the documents that the name before counts."""
OF_DOCUMENT: Final = MEASURES[: MEASURES.index("recipients")]
"""Measures of a sent document as a whole."""


class Cell(NamedTuple):
    """Key of one daily or monthly row of figures; `day` is the first of the month for `MONTH`. `dimension` is one, or the
    name of a pair, whose first value is then in the place of the unit."""

    agency_id: str
    side: str
    dimension: str
    unit: str
    span: str
    day: date
    key: str


class FigureFact(NamedTuple):
    """Facts of one document, or of one delivery of an outgoing document (`parent` is its document); or of what one person
    read, or how often signed in, on one day. Only a fact with a day counts: a draft and a cancelled document have none. A
    tuple, because each event makes a new one."""

    side: str
    day: date | None = None
    began: datetime | None = None
    parent: str = ""
    type_name: str = ""
    urgency: int = 0
    unit: str = NO_UNIT
    person: str = ""
    partner: str = ""
    mode: str = ""
    reason: str = ""
    by_hand: bool = False
    replaces: bool = False
    unsigned: bool = False
    to_know: tuple[str, ...] = ()
    answers: tuple[tuple[str, str], ...] = ()
    """Codes that answered an outgoing document, with the day: a reply may come before its paper is recorded as handed."""
    asks: bool = False
    """The partner, or we, must answer it."""
    reply_by: date | None = None
    replied: date | None = None
    due: date | None = None
    failed: bool = False
    handed: bool = False
    delivered: datetime | None = None
    taken: datetime | None = None
    done: datetime | None = None
    refused: bool = False
    recalled: bool = False
    request: str = ""
    role: str = ""
    reads: int = 0
    read_files: int = 0
    sign_ins: int = 0


FactKey = tuple[str, str]
"""Agency and id of a document or delivery."""
Facts = dict[FactKey, FigureFact]


# --- what events say of documents ----------------------------------------------------------------------------------


def describe_sent(document: OutgoingDocument, wish: DeliveryMode | None = None) -> dict[str, object]:
    """Describe an outgoing document for the event that sends it. `wish` is the way that its sender demanded; without one a
    copy on paper comes of the rule for its class."""
    draft = document.draft
    described: dict[str, object] = {"type": draft.type_name, "urgency": int(draft.urgency)}
    if draft.delivery_mode is not None and draft.delivery_mode is not DeliveryMode.ELECTRONIC:
        described |= {"mode": str(draft.delivery_mode), "mode_by": "class" if wish is None else "sender"}
    if draft.staff is not None and draft.staff.department:
        described["unit"] = draft.staff.department
    if (reply_by := document.reply_by) is not None:
        described["reply_by"] = reply_by.isoformat()
        described["to_know"] = [r.code for r in draft.recipients if r.role == "to_know"]
    return described


def describe_received(document: IncomingDocument) -> dict[str, object]:
    """Describe an incoming document for the event that admits it or enters it by hand."""
    described: dict[str, object] = {"type": document.type_name or "", "urgency": int(document.urgency)}
    if document.legal_value is not None:
        described["legal_value"] = document.legal_value
    if document.due_on is not None:
        described["due"] = document.due_on.isoformat()
    if document.reply_required:
        described["reply"] = True
    if document.assignment is not None:
        described["assignment"] = document.assignment.lead_unit
    return described


# --- from events to facts -------------------------------------------------------------------------------------------


def keys_of(events: Iterable[Event]) -> tuple[set[FactKey], set[FactKey]]:
    """Return the keys of facts that these events may change, and the documents all of whose deliveries they may change."""
    keys, parents = set[FactKey](), set[FactKey]()
    for event in events:
        if (own_key := _key_of_person(event)) is not None:
            keys.add(own_key)
        if event.agency_id is None or event.kind not in _FOLDS:
            continue
        keys.add((event.agency_id, event.subject_id))
        if delivery := event.data.get("delivery"):
            keys.add((event.agency_id, str(delivery)))
        if event.kind in _OF_ALL_DELIVERIES:
            parents.add((event.agency_id, event.subject_id))
    return keys, parents


def fold(old_facts: Mapping[FactKey, FigureFact], events: Iterable[Event]) -> Facts:
    """Apply events in order; return the facts that changed. `old_facts` has those that `keys_of` names and that exist."""
    facts: Facts = dict(old_facts)
    for event in events:
        if (own_key := _key_of_person(event)) is not None:
            _used(facts, event, own_key)
        elif event.agency_id is not None and (change := _FOLDS.get(event.kind)) is not None:
            change(facts, event, event.agency_id)
    return {key: fact for key, fact in facts.items() if old_facts.get(key) != fact}


def _accepted(facts: Facts, event: Event, agency_id: str) -> None:
    data = event.data
    key = agency_id, event.subject_id
    if "urgency" not in data or not _is_whole(data.get("kind", Kind.DOCUMENT)):
        return
    at = local(event.at)
    facts[key] = FigureFact(
        side=OUT,
        day=at.date(),
        began=event.at,
        type_name=str(data["type"]).strip(),
        urgency=int(data["urgency"]),
        unit=str(data.get("unit") or NO_UNIT),
        mode=str(data.get("mode") or DeliveryMode.ELECTRONIC),
        reason=str(data.get("mode_by") or ""),
        replaces=data.get("kind") == Kind.REPLACEMENT,
        unsigned=data.get("legal_value") == LegalValue.INFORMATION,
        reply_by=_day(data.get("reply_by")),
        to_know=tuple(str(code).casefold() for code in data.get("to_know") or ()),
    )


def _is_whole(kind: object) -> bool:
    return kind in (Kind.DOCUMENT, Kind.REPLACEMENT)


def _received(facts: Facts, event: Event, agency_id: str) -> None:
    """Begin an incoming document. A later hold of the same document has no description, and begins nothing."""
    data, key = event.data, (agency_id, event.subject_id)
    if "urgency" not in data or key in facts or not _is_whole(data.get("kind", Kind.DOCUMENT)):
        return
    facts[key] = FigureFact(
        side=IN,
        day=local(event.at).date(),
        began=event.at,
        type_name=str(data["type"]).strip(),
        urgency=int(data["urgency"]),
        unit=str(data.get("assignment") or NO_UNIT),
        partner=str(data.get("from") or ""),
        replaces=data.get("kind") == Kind.REPLACEMENT,
        unsigned=data.get("legal_value") == LegalValue.INFORMATION,
        due=_day(data.get("due")),
        asks=bool(data.get("reply")),
        reply_by=_day(data.get("due")) if data.get("reply") else None,
        mode=str(DeliveryMode.ELECTRONIC),
    )


def _entered(facts: Facts, event: Event, agency_id: str) -> None:
    """Begin a document that a clerk entered in a book by hand: received on paper, by mail, or sent on paper."""
    key = agency_id, event.subject_id
    if event.subject_id.startswith("ppr_"):
        day = _day(event.data.get("day"))
        facts[key] = FigureFact(
            side=OUT,
            day=day or local(event.at).date(),
            began=event.at,
            type_name=str(event.data.get("type") or "").strip(),
            mode=str(DeliveryMode.PAPER),
            reason="book",
            by_hand=True,
        )
        return
    _received(facts, event, agency_id)
    if (fact := facts.get(key)) is None or "source" not in event.data:
        return
    is_paper = event.data["source"] == Source.PAPER
    facts[key] = fact._replace(
        by_hand=True,
        day=_day(event.data.get("day")) or fact.day,
        mode=str(DeliveryMode.PAPER if is_paper else DeliveryMode.ELECTRONIC),
        reason="book" if is_paper else "",
        taken=event.at,
        began=event.at,
    )


def _struck(facts: Facts, event: Event, agency_id: str) -> None:
    """Let a struck line that was entered by hand count no more; a recalled document's struck line counts."""
    fact = facts.get((agency_id, event.subject_id))
    if fact is not None and fact.by_hand:
        facts[agency_id, event.subject_id] = fact._replace(day=None)


def _cancelled(facts: Facts, event: Event, agency_id: str) -> None:
    for key, fact in list(facts.items()):
        if key[0] == agency_id and fact.side == OUT and event.subject_id in (key[1], fact.parent):
            facts[key] = fact._replace(day=None)


def _left_after_all(facts: Facts, event: Event, agency_id: str) -> None:
    """Count a cancelled document again, on the day on which it was sent."""
    for key, fact in list(facts.items()):
        is_of = key[0] == agency_id and fact.side == OUT and event.subject_id in (key[1], fact.parent)
        if is_of and fact.began is not None:
            facts[key] = fact._replace(day=local(fact.began).date())


def _delivery(facts: Facts, event: Event, agency_id: str) -> tuple[FactKey, FigureFact] | None:
    """Return the fact of the event's delivery, a new one at its first event; None where it is not of a document."""
    id, key = event.data.get("delivery"), (agency_id, str(event.data.get("delivery")))
    document = facts.get((agency_id, event.subject_id))
    if not id or document is None or document.side != OUT or document.parent:
        return None
    if (fact := facts.get(key)) is not None:
        return key, fact
    partner = str(event.data.get("to") or event.data.get("from") or "")
    return key, document._replace(
        parent=event.subject_id,
        partner=partner,
        asks=document.reply_by is not None and partner.casefold() not in document.to_know,
        replied=_day(dict(document.answers).get(partner.casefold())),
        to_know=(),
        answers=(),
    )


def _sent(facts: Facts, event: Event, agency_id: str) -> None:
    if (pair := _delivery(facts, event, agency_id)) is not None:
        facts[pair[0]] = pair[1]._replace(failed=event.kind is EventKind.DELIVERY_FAILED)


def _handed(facts: Facts, event: Event, agency_id: str) -> None:
    if (pair := _delivery(facts, event, agency_id)) is not None:
        facts[pair[0]] = pair[1]._replace(handed=True)


def _reported(facts: Facts, event: Event, agency_id: str) -> None:
    """Apply a recipient's status. Its state is the word of all its statuses together, whatever their order."""
    pair = _delivery(facts, event, agency_id)
    if pair is None or event.data.get("counts") is False:
        return
    key, fact = pair
    word, code = str(event.data.get("state") or ""), str(event.data.get("code"))
    if word not in BUSINESS_STATES:
        word = CODES[code].key if code in BUSINESS_CODES else ""
    if not word:
        return
    facts[key] = _with_word(fact, word, event.at)


def _with_word(fact: FigureFact, word: str, at: datetime) -> FigureFact:
    """Set what a state says; moments are those of their first event, and an end that was undone has none."""
    return fact._replace(
        failed=False,
        delivered=fact.delivered or at,
        refused=word == State.REJECTED,
        taken=(fact.taken or at) if word in TAKEN_IN else None if word == State.REJECTED else fact.taken,
        done=(fact.done or at) if word == State.DONE else None,
    )


def _asked_back(facts: Facts, event: Event, agency_id: str) -> None:
    if (pair := _delivery(facts, event, agency_id)) is not None:
        facts[pair[0]] = pair[1]._replace(request=str(event.data.get("kind") or ""))


def _answered_back(facts: Facts, event: Event, agency_id: str) -> None:
    pair = _delivery(facts, event, agency_id)
    if pair is not None and pair[1].request in _RECALLS and event.data.get("state") == State.REQUEST_AGREED:
        facts[pair[0]] = pair[1]._replace(recalled=True)


def _reply_received(facts: Facts, event: Event, agency_id: str) -> None:
    """Mark our document as answered by the agency that sent the reply."""
    code, day = str(event.data.get("from") or "").casefold(), local(event.at).date()
    document = facts.get((agency_id, event.subject_id))
    if document is None or document.reply_by is None or code in dict(document.answers):
        return
    facts[agency_id, event.subject_id] = document._replace(answers=(*document.answers, (code, str(day))))
    for key, fact in list(facts.items()):
        is_asked = key[0] == agency_id and fact.parent == event.subject_id and fact.asks
        if is_asked and fact.replied is None and fact.partner.casefold() == code:
            facts[key] = fact._replace(replied=day)


def _reply_left(facts: Facts, event: Event, agency_id: str) -> None:
    key = agency_id, event.subject_id
    if (fact := facts.get(key)) is not None and fact.replied is None:
        facts[key] = fact._replace(replied=local(event.at).date())


def _handled(facts: Facts, event: Event, agency_id: str) -> None:
    """Apply a status, an assignment or an answer to a request about an incoming document."""
    key, data = (agency_id, event.subject_id), event.data
    if (fact := facts.get(key)) is None or fact.side != IN:
        return
    if "assignment" in data:
        unit = str(data["assignment"])
        persons = [str(p["person"]) for p in data.get("persons") or () if p.get("unit") == unit]
        due = _day(data.get("deadline")) or fact.due
        fact = fact._replace(unit=unit, person=persons[0] if persons else "", due=due)
    if data.get("state") == "recalled" or (data.get("code") == "15" and data.get("by_itself")):
        fact = fact._replace(recalled=True)
    elif (word := str(data.get("state"))) in DECIDED and data.get("code"):
        fact = _with_word(fact, word, event.at)._replace(delivered=None)
    facts[key] = fact


def _judged(facts: Facts, event: Event, agency_id: str) -> None:
    key = agency_id, event.subject_id
    if (fact := facts.get(key)) is not None and fact.side == IN and "legal_value" in event.data:
        facts[key] = fact._replace(unsigned=event.data["legal_value"] == LegalValue.INFORMATION)


def _day(text: object) -> date | None:
    return date.fromisoformat(text[:10]) if isinstance(text, str) and text else None


def _key_of_person(event: Event) -> FactKey | None:
    """Return the key of the day of the person who read, or who signed in for an agency; None for any other event."""
    if event.kind not in _OF_PERSONS:
        return None
    day = local(event.at).date()
    if event.kind is EventKind.DOCUMENT_READ:
        agency_id, role, unit = event.agency_id, event.data.get("role") or "", event.data.get("unit") or ""
        id = f"read:{day}:{event.principal_id}:{role}:{unit}"
    else:
        agency_id, id = event.data.get("agency"), f"use:{day}:{event.subject_id}"
    return (agency_id, id) if agency_id else None


def _used(facts: Facts, event: Event, key: FactKey) -> None:
    day, data = local(event.at).date(), event.data
    if event.kind is not EventKind.DOCUMENT_READ:
        fact = facts.get(key) or FigureFact(side=USE, day=day, person=event.subject_id)
        facts[key] = fact._replace(sign_ins=fact.sign_ins + 1)
        return
    unit, role = str(data.get("unit") or NO_UNIT), str(data.get("role") or "")
    fact = facts.get(key) or FigureFact(side=READ, day=day, unit=unit, person=event.principal_id, role=role)
    # One event has several readings of a program, all of files.
    count = int(data.get("count") or 1)
    files = count if "count" in data or data.get("file") else 0
    facts[key] = fact._replace(reads=fact.reads + count, read_files=fact.read_files + files)


_FOLDS: Mapping[EventKind, Callable[[Facts, Event, str], None]] = {
    EventKind.MESSAGE_ACCEPTED: _accepted,
    EventKind.MESSAGE_CANCELLED: _cancelled,
    EventKind.MESSAGE_LEFT: _left_after_all,
    EventKind.DELIVERY_SENT: _sent,
    EventKind.DELIVERY_FAILED: _sent,
    EventKind.DELIVERY_STATUS: _reported,
    EventKind.PAPER_HANDED: _handed,
    EventKind.RECALL_REQUESTED: _asked_back,
    EventKind.REQUEST_ANSWERED: _answered_back,
    EventKind.INBOX_ANSWERED: _reply_received,
    EventKind.INBOX_RECEIVED: _received,
    EventKind.INBOX_HELD: _received,
    EventKind.INBOX_STATUS: _handled,
    EventKind.INBOX_REPLIED: _reply_left,
    EventKind.INBOX_SIGNATURES: _judged,
    EventKind.BOOK_ENTERED: _entered,
    EventKind.BOOK_STRUCK: _struck,
}
COUNTED_KINDS: Final = tuple(kind.value for kind in (*_FOLDS, *_OF_PERSONS))
"""Kinds of events that change figures; others are not read."""
