"""Lines of the lists of documents: card, tabs, origin and register book of one document; with the labels that an agency
puts on documents, and the saved views of a person. In: the document and the states of its recipients. Out: frozen lines, a
pure function of these: the store writes them beside the document, tests compare. Labels never travel, and no other agency
sees them; the pages define a view's filters. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import IntFlag, StrEnum
from functools import lru_cache

from gateway.document_view.checks import arrival_words, doubt_in, note_in
from gateway.domain.document import (
    UNDECIDED,
    FileRole,
    IncomingDocument,
    InState,
    Kind,
    OutgoingDocument,
    OutState,
    Urgency,
)
from gateway.domain.figure_cells import FigureFilter
from gateway.domain.handling import RequiredPart, Share, required_parts, unit_key
from gateway.domain.signatures import SignatureWord
from gateway.domain.states import (
    ASKED_BACK,
    AWAITED,
    BUSINESS_STATES,
    FAULTY,
    IN_QUEUE,
    REQUEST_ANSWERS,
    REQUESTED,
    TAKEN_IN,
    State,
)
from gateway.domain.status import Duty, Waits, document_word
from gateway.domain.text import SearchRole, fold, indexed

# A document without a register book.
NO_BOOK = "none"
# Time for taking a document in, without a calendar (T2 and T2u).
_TAKE_IN_TIMES = {
    Urgency.NORMAL: timedelta(hours=2),
    Urgency.URGENT: timedelta(minutes=60),
    Urgency.VERY_URGENT: timedelta(minutes=30),
    Urgency.EXPRESS: timedelta(minutes=15),
    Urgency.TIMED_EXPRESS: timedelta(minutes=15),
}
_DAY = timedelta(days=1)
# A sent document that is asked back still counts as sent.
SENT = AWAITED | REQUESTED | BUSINESS_STATES | REQUEST_ANSWERS
# One document is written several times within moments, with the same words.
_indexed = lru_cache(maxsize=128)(indexed)
Viewer = frozenset[str]
"""Search words of a person: documents with any of them are within the person's view."""
LONGEST_TAG = 40
MOST_TAGS = 200
MOST_ON_ONE = 10
LONGEST_VIEW_NAME = 60
LONGEST_VIEW_QUERY = 2_000
MOST_VIEWS = 30


class Origin(StrEnum):
    """Origin of a document: sent by hand, from a program or at the machine; received over the axis or another way."""

    HAND = "hand"
    PROGRAM = "program"
    MACHINE = "machine"
    AXIS = "axis"
    EMAIL = "email"
    PAPER = "paper"
    OTHER = "other-system"


def book_of(document: OutgoingDocument | IncomingDocument) -> str:
    """Return the year of its register book."""
    if isinstance(document, OutgoingDocument):
        day = document.draft.issued_on
        return str(day.year) if day is not None and document.state is not OutState.DRAFT else NO_BOOK
    return str(document.register_year) if document.register_no and document.register_year else NO_BOOK


class Side(StrEnum):
    OUT = "out"
    IN = "in"


SIDES: Mapping[str, Side] = {side.value: side for side in Side}


class Tab(IntFlag):
    """The tabs of both lists; a document may stand in several. Documents that wait for a person,
    for the axis or for an answer are found by these too."""

    QUEUED = 1
    SENT = 2
    REJECTED = 4
    FAILED = 8
    RECALL = 16
    DRAFT = 32
    SILENT = 64
    """Some recipient's system has not answered yet."""
    NEW = 128
    HELD = 256
    ACCEPTED = 512
    PROCESSING = 1024
    NOT_HANDED = 2048
    UNSENT = 4096
    """Signed, and not yet with the axis."""


_NO_TAB = Tab(0)
TABS: Mapping[Side, tuple[Tab, ...]] = {
    Side.OUT: (Tab.QUEUED, Tab.SENT, Tab.REJECTED, Tab.FAILED, Tab.RECALL, Tab.DRAFT),
    Side.IN: (
        Tab.NEW,
        Tab.HELD,
        Tab.ACCEPTED,
        Tab.PROCESSING,
        Tab.REJECTED,
        Tab.RECALL,
        Tab.NOT_HANDED,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """Texts of a row. `party` is the sender, or the first recipient; `states` counts the recipients by their word."""

    number: str
    symbol: str
    subject: str
    type_name: str = ""
    party: str = ""
    party_code: str = ""
    parties: int = 1
    files: int = 0
    appendixes: int = 0
    signature: str | None = None
    signer: str | None = None
    unit: str | None = None
    reply_due: date | None = None
    source: str | None = None
    external_id: str | None = None
    pages: int | None = None
    document_id: str = ""
    arrival_no: str | None = None
    checks: dict[str, str] = field(default_factory=dict)
    marks: tuple[str, ...] = ()
    states: dict[str, int] = field(default_factory=dict)

    @property
    def taken_in(self) -> int | None:
        """Recipients that have taken it in: the 18 of `18/20`. None while one is asked to give it back or change it: the
        word of the request then hides the earlier one."""
        if not REQUESTED.isdisjoint(self.states):
            return None
        return sum(n for state, n in self.states.items() if state in TAKEN_IN)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListLine:
    """One document in its list. `state` is the one word, the worst of all recipients; `due_at` is when it becomes overdue,
    None when nothing is awaited; `attention_at` is from when on it needs a person; `unread`: a new document that no person
    of the agency has read; taking in or refusing ends that."""

    id: str
    side: Side
    at: datetime
    state: str
    own_state: str
    tabs: Tab
    urgency: Urgency
    issued_on: date | None
    card: Card
    due_at: datetime | None = None
    attention_at: datetime | None = None
    sent_at: datetime | None = None
    latest_at: datetime | None = None
    unread: bool = False
    origin: Origin | None = None

    @property
    def awaits_us(self) -> bool:
        """True if it came, and waits for a decision."""
        return self.side is Side.IN and self.own_state in UNDECIDED

    @property
    def waits(self) -> Waits:
        """Action that is due at `due_at`."""
        if self.side is Side.OUT:
            return Waits.PARTNER
        if self.state in REQUESTED:
            return Waits.ANSWER
        return Waits.DECIDE if self.own_state == InState.HELD else Waits.TAKE_IN

    def is_overdue(self, now: datetime) -> bool:
        return self.due_at is not None and self.due_at <= now

    def overdue(self, now: datetime) -> int:
        """Count the overdue recipients."""
        waiting = sum(self.card.states.get(state, 0) for state in AWAITED)
        return waiting if self.side is Side.OUT and self.is_overdue(now) else 0


def doubt_of(line: ListLine) -> str:
    """Name the check that a clerk must look at: of mail that came before taking it in, of a sent document always; empty for
    none."""
    is_shown = line.awaits_us or line.side is Side.OUT
    return doubt_in(line.card.checks, line.card.marks) if is_shown else ""


def note_of(line: ListLine) -> str:
    """Name the check to be read that stops nothing; empty for none, and where there is a doubt."""
    return note_in(line.card.checks, line.card.marks) if line.awaits_us else ""


def may_be_taken(line: ListLine) -> bool:
    """Tell whether its row offers to take it in: it came over the axis, waits, was checked, and nothing is doubtful. The
    act judges the document anew."""
    is_new = line.side is Side.IN and line.state == line.own_state == InState.NEW
    return is_new and line.origin in (None, Origin.AXIS) and bool(line.card.checks) and not doubt_of(line)


def due_within(agency_id: str, duty: Duty, urgency: Urgency) -> datetime:
    """Return the deadline of a duty, ours or a recipient's, without office hours."""
    a_day = duty.waits in (Waits.DECIDE, Waits.ANSWER)
    if a_day or (duty.waits is Waits.PARTNER and urgency is Urgency.NORMAL):
        return duty.since + _DAY
    return duty.since + _TAKE_IN_TIMES[urgency]


def is_listed_out(document: OutgoingDocument) -> bool:
    """Tell whether it has a row: a recall or an update is part of the document that it changes; a replacement is a document
    of its own."""
    return document.parent_id is None or document.kind is Kind.REPLACEMENT


def is_listed_in(document: IncomingDocument) -> bool:
    """Tell whether it has a row: the recall of a document that we have is shown there."""
    return document.kind is not Kind.RECALL or document.target_id is None


def outgoing_line(
    document: OutgoingDocument,
    states: Mapping[str, int],
    sent_at: datetime | None,
    latest_at: datetime | None,
    due_at: datetime | None,
) -> ListLine:
    """Make the line. `states` counts its recipients; `due_at`: when they should have taken it in, if any is awaited."""
    states = dict(sorted(states.items()))
    own = OutState.QUEUED if document.state is OutState.PACKED else document.state
    state = document_word(document.state, states)
    due_at = due_at if AWAITED & {*states} else None
    needs_attention = bool(FAULTY & {*states, state})
    return ListLine(
        id=document.id,
        side=Side.OUT,
        at=document.created_at,
        state=state,
        own_state=str(document.state),
        tabs=_out_tabs(document, own, states),
        urgency=document.draft.urgency,
        issued_on=document.draft.issued_on,
        card=_out_card(document, states),
        due_at=due_at,
        attention_at=(latest_at or document.created_at) if needs_attention else due_at,
        sent_at=sent_at,
        latest_at=latest_at,
    )


def incoming_line(
    document: IncomingDocument, word: str, due_at: datetime | None, *, not_handed: bool = False
) -> ListLine:
    """Make the line. `word` is that of the sender's open request, else of its state; `due_at`: the deadline of our next
    step, None where none is due."""
    is_open = document.state in UNDECIDED
    needs_attention = document.state is InState.HELD or word in REQUESTED
    tabs = _IN_TABS.get(document.state, _NO_TAB)
    if word in REQUESTED:
        tabs |= Tab.RECALL
    if not_handed:
        tabs |= Tab.NOT_HANDED
    return ListLine(
        id=document.id,
        side=Side.IN,
        at=document.arrived_at,
        state=word,
        own_state=str(document.state),
        tabs=tabs,
        urgency=document.urgency,
        issued_on=document.issued_on,
        card=_in_card(document),
        due_at=due_at,
        attention_at=document.arrived_at if needs_attention else due_at,
        unread=is_open,
    )


def folded_words(document: OutgoingDocument | IncomingDocument) -> str:
    """Make its search words. A sealed document has none (R4)."""
    is_sealed = (
        document.state is InState.SEALED if isinstance(document, IncomingDocument) else document.is_sealed
    )
    return "" if is_sealed else _indexed(_search_texts(document), tuple(_search_roles(document)))


def type_key(name: str) -> str:
    """Return the key of a type of document in any spelling."""
    return fold(name)


def person_viewer(principal_id: str) -> Viewer:
    """Return the search word of the person who handed a document in."""
    return frozenset({_viewer_word("person", principal_id)})


def share_viewer(share: Share) -> Viewer:
    """Return the search words of a person who sees the documents of own units, as `Share.covers` tells."""
    words = {_viewer_word("unit", key) for key in share.units | share.leading}
    words |= {_viewer_word("led", key) for key in share.leading}
    return frozenset(words | {_viewer_word("officer", id) for id in share.persons})


def _part_words(part: RequiredPart) -> Iterable[str]:
    """Yield the search words of those whom this part concerns."""
    key = unit_key(part.unit)
    if part.person_id is None:
        yield _viewer_word("unit", key)
    else:
        yield _viewer_word("led", key)
        yield _viewer_word("officer", part.person_id)


def _viewer_word(kind: str, key: str) -> str:
    return hashlib.blake2b(f"{kind}:{key}".encode(), digest_size=10).hexdigest()


def _search_texts(document: OutgoingDocument | IncomingDocument) -> tuple[str, ...]:
    if isinstance(document, IncomingDocument):
        names = (document.sender_name or "", document.sender_code)
        texts = (f"{document.number}/{document.symbol}", document.subject, document.type_name or "")
        return (*texts, *names, document.register_no or "")
    draft = document.draft
    parties = [word for to in draft.recipients for word in (to.name or "", to.code)]
    return (draft.code, draft.subject, draft.type_name, *parties, draft.external_id or "")


def _search_roles(document: OutgoingDocument | IncomingDocument) -> Sequence[tuple[SearchRole, str]]:
    roles: list[tuple[SearchRole, str]] = []
    if isinstance(document, IncomingDocument):
        roles += [(SearchRole.SENDER, document.sender_name or ""), (SearchRole.SENDER, document.sender_code)]
        signer = document.signer
        if (assigned := document.assignment) is not None:
            words = {word for part in required_parts(assigned) for word in _part_words(part)}
            roles += [(SearchRole.VIEWER, word) for word in sorted(words)]
    else:
        for to in document.draft.recipients:
            roles += [(SearchRole.RECIPIENT, to.name or ""), (SearchRole.RECIPIENT, to.code)]
        signer = document.draft.signer
        roles.append((SearchRole.VIEWER, _viewer_word("person", document.accepted_by)))
    if signer is not None:
        roles.append((SearchRole.SIGNER, signer.name))
    return roles


def _out_tabs(document: OutgoingDocument, own: OutState, states: Mapping[str, int]) -> Tab:
    words = {*states} or {str(own)}
    tabs = {tab for tab, tab_words in _OUT_TABS.items() if not tab_words.isdisjoint(words)}
    if own is OutState.BLOCKED:
        tabs.add(Tab.FAILED)
    is_over = own is OutState.CANCELLED or {State.CANCELLED, State.REJECTED, State.PAPER} & words
    if document.draft.signed_at is not None and not SENT & words and not is_over:
        tabs.add(Tab.UNSENT)
    return Tab(sum(tabs))


_OUT_TABS: Mapping[Tab, frozenset[str]] = {
    Tab.QUEUED: frozenset(IN_QUEUE),
    Tab.SENT: SENT | {State.PAPER, State.UNKNOWN},
    Tab.REJECTED: frozenset({State.REJECTED}),
    Tab.FAILED: frozenset({State.FAILED}),
    Tab.RECALL: ASKED_BACK | REQUEST_ANSWERS,
    Tab.DRAFT: frozenset({State.DRAFT}),
    Tab.SILENT: frozenset({State.SENT}),
}


_IN_TABS: Mapping[InState, Tab] = {
    InState.NEW: Tab.NEW,
    InState.HELD: Tab.HELD,
    InState.ACCEPTED: Tab.ACCEPTED,
    InState.ASSIGNED: Tab.ACCEPTED | Tab.PROCESSING,
    InState.PROCESSING: Tab.ACCEPTED | Tab.PROCESSING,
    InState.DONE: Tab.ACCEPTED,
    InState.REJECTED: Tab.REJECTED,
    InState.RECALLED: Tab.RECALL,
    InState.REPLACED: Tab.ACCEPTED,
}


def _out_card(document: OutgoingDocument, states: dict[str, int]) -> Card:
    draft, sealed = document.draft, document.is_sealed
    first = draft.recipients[0] if draft.recipients else None
    return Card(
        number=draft.number,
        symbol=draft.symbol,
        subject="" if sealed else draft.subject,
        type_name=draft.type_name,
        party=(first.name or "") if first else "",
        party_code=first.code if first else "",
        parties=len(draft.recipients),
        files=len(document.files),
        appendixes=sum([f.role is not FileRole.LEAD for f in document.files]),
        signature=str(document.legal_value) if document.legal_value else None,
        signer=draft.signer.name if draft.signer and not sealed else None,
        unit=draft.drafter,
        reply_due=draft.reply_due,
        source=document.accepted_by,
        external_id=draft.external_id,
        pages=draft.pages,
        document_id=document.document_id,
        checks=_sent_checks(document),
        states=states,
    )


def _sent_checks(document: OutgoingDocument) -> dict[str, str]:
    """Return the check that failed, perhaps long after the document left: of the signatures in its files. A draft tells its
    faults where it is written."""
    is_invalid = any(verdict.verdict is SignatureWord.INVALID for verdict in document.signatures)
    has_left = document.state not in (OutState.DRAFT, OutState.BLOCKED, OutState.CANCELLED)
    return {"pdf": SignatureWord.INVALID.value} if is_invalid and has_left else {}


def _in_card(document: IncomingDocument) -> Card:
    sealed = document.state is InState.SEALED
    return Card(
        number=document.number,
        symbol=document.symbol,
        subject="" if sealed else document.subject,
        type_name=document.type_name or "",
        party=document.sender_name or "",
        party_code=document.sender_code,
        files=len(document.files),
        appendixes=sum(f.role is not FileRole.LEAD for f in document.files),
        signature=str(document.legal_value) if document.legal_value else None,
        signer=document.signer.name if document.signer and not sealed else None,
        reply_due=document.due_on,
        pages=document.pages,
        document_id=document.document_id,
        arrival_no=document.register_no,
        checks=arrival_words(document),
        marks=document.marks,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """One label. Two names that read the same without accents and case are one."""

    id: str
    name: str
    made_by: str
    made_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedView:
    """A saved view of a list. `query` is the part of the list's address behind the question mark."""

    person_id: str
    side: Side
    name: str
    query: str
    saved_at: datetime


class ListOrder(StrEnum):
    """Order of a list. `FIRST` is the default: the most urgent for a person first; of incoming ones, by urgency and
    deadline."""

    FIRST = "first"
    NEWEST = "newest"
    OLDEST = "oldest"
    NUMBER = "number"
    NUMBER_DOWN = "number-"
    PARTY = "party"
    PARTY_DOWN = "party-"
    ISSUED = "issued"
    ISSUED_DOWN = "issued-"
    TYPE = "type"
    TYPE_DOWN = "type-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Filter and order of a list. `side` None is both, for the search of the whole node; `text` is a person's query, and
    orders the matches by fit, then newest. `since` and `until` are about arrival, or acceptance. `pressing`: of any urgency
    but the normal one; `book`: the year of a register book, or `NO_BOOK`; `tag`: the id of a label of the agency's own;
    `late`: a day before which a unit's work or a recipient's answer was due and is missing; `viewer`: documents with
    one of these words alone (`share_viewer`, `person_viewer`); `figure`: those that a report's figure counts."""

    side: Side | None
    tab: Tab | None = None
    attention: bool = False
    text: str = ""
    sort: ListOrder = ListOrder.FIRST
    type_name: str | None = None
    urgency: Urgency | None = None
    state: str | None = None
    party: str | None = None
    signer: str | None = None
    attached: bool | None = None
    origin: Origin | None = None
    book: str | None = None
    tag: str | None = None
    overdue: bool = False
    late: date | None = None
    unread: bool = False
    pressing: bool = False
    viewer: Viewer | None = None
    since: datetime | None = None
    until: datetime | None = None
    figure: FigureFilter | None = None
