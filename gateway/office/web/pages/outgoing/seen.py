"""One outgoing document as a page works with it: everything known of it in one look, how much of it the person may
see, what can be done to it and why something cannot be done now, and its recipients: one row each, and behind it
everything known, oldest first. In: a visit whose address names it; what was found, what the person may do, a moment,
a language. Out: `SeenOutgoing`, NotFound for another agency's, Denied for another's own (rules 13); one `DocumentAct`
for each act of that person's rights, with its page or the reason in words, where the flow asks again; rows, bad ones
first, then by name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway.document_view.facts import By, FactView, state_word
from gateway.document_view.recipients import RecipientView, Way, recipient_view, way_of
from gateway.domain.document import Delivery, OutgoingDocument, OutState, Staff
from gateway.domain.event import Event, EventKind
from gateway.domain.status import (
    ASKED,
    AWAITED,
    FAULTY,
    NEVER_LEFT,
    Fact,
    Track,
)
from gateway.domain.text import name_key
from gateway.errors import Denied
from gateway.office.domain.listing import ListLine
from gateway.office.domain.roles import Manner, Right
from gateway.office.web import dates, visits
from gateway.office.web.pages import content
from gateway.office.web.routes import Needs
from gateway.office.web.visits import Visit
from gateway.outgoing.answering import late_answers
from gateway.outgoing.stopping import UNSENT
from gateway.words import labels

SEES = (Needs(right=Right.SEE_CONTENT),)
# Whoever may have content at all; an order's number is asked for where one is needed.
READS = (Needs(right=Right.SEE_CONTENT, manners=(Manner.YES, Manner.OWN, Manner.ORDER)),)
PRINTS = (Needs(right=Right.SEE_CONTENT, manners=(Manner.YES, Manner.OWN)),)
ID = "{id:msg_[0-9A-Za-z]+}"
HERE = f"/van-ban-di/{ID}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenOutgoing:
    """`content`: the person may know what the document is about. `line` is None for what no list shows."""

    document: OutgoingDocument
    content: bool
    manner: Manner
    deliveries: tuple[Delivery, ...] = ()
    facts: Mapping[str, Sequence[Fact]] = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    line: ListLine | None = None
    parent: OutgoingDocument | None = None
    children: tuple[OutgoingDocument, ...] = ()
    answers_late: frozenset[str] = frozenset()
    """Deliveries, by id, whose recipients were to answer it by a day that is over, and have not."""
    others: tuple[OutgoingDocument, ...] = ()
    """The same number and date sent at other times, to others or once more."""

    @property
    def path(self) -> str:
        return f"/van-ban-di/{self.document.id}"

    @property
    def mark(self) -> str:
        """Names the last thing that a person did to it: a form that was made before it is not taken any more."""
        last = self.last
        return last.id if last is not None else ""

    @property
    def last(self) -> Event | None:
        acts = [
            each
            for each in self.events
            if each.principal_id != visits.NODE_ITSELF and each.kind in _ACTS_TOLD
        ]
        return max(acts, key=lambda each: (each.at, each.id), default=None)

    def is_late(self, delivery: Delivery, now: datetime) -> bool:
        """Whether that recipient should have taken it in by now."""
        return self.line is not None and self.line.is_overdue(now) and delivery.state in AWAITED


_ACTS_TOLD = frozenset(
    {
        *(EventKind.MESSAGE_ACCEPTED, EventKind.MESSAGE_QUEUED, EventKind.MESSAGE_CANCELLED),
        *(EventKind.REQUEST_ASKED, EventKind.REQUEST_ANSWERED, EventKind.MESSAGE_URGED),
        *(EventKind.HOLD_BEGUN, EventKind.HOLD_LIFTED),
    }
)


async def find(visit: Visit) -> SeenOutgoing:
    """The document that the address names."""
    granted = visit.person.require(Right.SEE_CONTENT)
    async with visit.deps.store.read(visit.scope()) as work:
        document = await work.outgoing.get(visit.path("id"))
        if granted.manner is Manner.OWN and document.accepted_by != visit.person.person.id:
            raise Denied("this document is not one of this person or unit", code="GW-RIGHT")
        deliveries = tuple(await work.deliveries.of(document.id))
        same = await work.outgoing.by_document_id(document.document_id)
        return SeenOutgoing(
            document=document,
            content=granted.manner in (Manner.YES, Manner.OWN) and not document.is_sealed,
            manner=granted.manner,
            deliveries=deliveries,
            facts=await work.facts.of_many([each.id for each in deliveries]) if deliveries else {},
            events=tuple(await work.events.of(document.id)),
            line=await work.office.lists.line(document.id),
            parent=await work.outgoing.get(document.parent_id) if document.parent_id else None,
            answers_late=await late_answers(work, [document], {document.id: deliveries}, visit.today),
            children=tuple(await work.outgoing.children(document.id)),
            others=tuple(
                each
                for each in same
                if each.id != document.id
                and each.kind.is_whole
                and (granted.manner is not Manner.OWN or each.accepted_by == visit.person.person.id)
            ),
        )


async def note_read(visit: Visit, document: OutgoingDocument, file: str) -> None:
    own = document.accepted_by == visit.person.person.id
    await content.note_read(visit, document.id, file, assigned=own)


async def names_told(visit: Visit, principals: Iterable[str]) -> Mapping[str, str]:
    return await visits.names_of(visit, principals, "outgoing.by")


async def conflict(visit: Visit, found: SeenOutgoing) -> str:
    """What to say where somebody has acted since the form was made; empty where nobody has."""
    last = found.last
    if last is None or visit.form.text("seen") == found.mark:
        return ""
    who = (await names_told(visit, [last.principal_id]))[last.principal_id]
    return visit.say("notice.changed_by", person=who, time=dates.clock_text(last.at, visit.deps.clock.now()))


def heading(visit: Visit, key: str) -> str:
    """What the page of an act is called: as its button, which alone says that there is a page to come."""
    return visit.say(key).removesuffix("…")


MAY_ISSUE = (Right.ISSUE, (Manner.YES,))
MAY_RECALL = (Right.RECALL, (Manner.RECORDED,))
MAY_URGE = (Right.URGE, (Manner.YES,))
MAY_PRINT = (Right.SEE_CONTENT, (Manner.YES, Manner.OWN))
# Of these the same bytes may go once more; the others have them, or have turned them down.
SENT_AGAIN = AWAITED | {"failed", "sending"}
_GONE = frozenset({"cancelled", "paper", "rejected", "request_agreed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentAct:
    """`why` is the key of the reason against it; empty where it can be done. `letter` is the key that opens its page."""

    key: str
    path: str
    why: str = ""
    letter: str = ""


def acts_of(
    found: SeenOutgoing, now: datetime, may: Callable[[Right, Collection[Manner]], bool]
) -> tuple[DocumentAct, ...]:
    """In the order of the page. What the person has no right to is left out."""
    here, id = found.path, found.document.id
    cancel = (MAY_ISSUE, "cancel", f"{here}/huy-gui", no_cancel(found))
    if found.document.state is OutState.DRAFT:
        cancel = (MAY_ISSUE, "discard", f"/phat-hanh/{id}/bo", "")
    made = (
        (MAY_ISSUE, "resend", f"{here}/gui-lai", no_resend(found)),
        (MAY_ISSUE, "anew", f"{here}/sua-lai", no_anew(found)),
        (MAY_ISSUE, "further", f"{here}/gui-them", not_away(found)),
        (MAY_URGE, "urge", f"{here}/don-doc", no_urging(found, now)),
        (MAY_RECALL, "fix", f"{here}/sai-gi", no_fix(found)),
        cancel,
        (MAY_PRINT, "slip", f"{here}/phieu-gui", no_slip(found)),
    )
    return tuple(
        DocumentAct(key=key, path=path, why=why, letter="r" if key == "resend" else "")
        for (right, manners), key, path, why in made
        if may(right, manners) and (key != "anew" or not why)
    )


def fixes_of(found: SeenOutgoing) -> tuple[DocumentAct, ...]:
    """What can be done about a document that turned out to be wrong, the commonest fault first."""
    here, id = found.path, found.document.id
    made = (
        ("replace", f"/phat-hanh?thay-the={id}", not_away(found)),
        ("correct", f"/phat-hanh?dinh-chinh={id}", not_away(found)),
        ("update", f"/phat-hanh?cap-nhat={id}", no_update(found)),
        ("recall", f"{here}/thu-hoi", no_recall(found)),
        ("take_back", f"{here}/thu-hoi?hinh-thuc=lay-lai", no_recall(found)),
    )
    return tuple(DocumentAct(key=key, path=path, why=why) for key, path, why in made)


def no_fix(found: SeenOutgoing) -> str:
    whys = [each.why for each in fixes_of(found)]
    return whys[0] if all(whys) else ""


def no_resend(found: SeenOutgoing) -> str:
    if why := not_away(found):
        return why
    if not resendable(found):
        states = {each.state for each in found.deliveries}
        return "outgoing.why.all_gone" if states <= _GONE else "outgoing.why.all_have_it"
    return ""


def resendable(found: SeenOutgoing) -> Sequence[Delivery]:
    return [each for each in found.deliveries if each.state in SENT_AGAIN]


def no_anew(found: SeenOutgoing) -> str:
    """Only there where somebody refused it."""
    refused = any(each.state == "rejected" for each in found.deliveries)
    return not_away(found) if refused else "outgoing.why.nobody_refused"


def no_urging(found: SeenOutgoing, now: datetime) -> str:
    return "" if late_deliveries(found, now) else "outgoing.why.nobody_late"


def late_deliveries(found: SeenOutgoing, now: datetime) -> Sequence[Delivery]:
    return [each for each in found.deliveries if found.is_late(each, now) or each.id in found.answers_late]


def no_recall(found: SeenOutgoing) -> str:
    document = found.document
    if not document.kind.is_whole:
        return "outgoing.why.part"
    if document.state not in (OutState.PACKED, OutState.CANCELLED):
        return "outgoing.why.not_left"
    if not recallable(found):
        if any(each.state in ASKED for each in found.deliveries):
            return "outgoing.why.request_open"
        never_left = all(each.state in NEVER_LEFT for each in found.deliveries)
        return "outgoing.why.not_left" if never_left else "outgoing.why.all_gone"
    return ""


def recallable(found: SeenOutgoing) -> Sequence[Delivery]:
    """Whom a recall may ask: who has it, and has no other request to answer."""
    return [
        each
        for each in found.deliveries
        if each.state not in NEVER_LEFT | ASKED | {"request_agreed", "rejected"}
    ]


def no_update(found: SeenOutgoing) -> str:
    if why := not_away(found):
        return why
    return "outgoing.why.request_open" if any(each.state in ASKED for each in found.deliveries) else ""


def no_cancel(found: SeenOutgoing) -> str:
    state = found.document.state
    if state is OutState.CANCELLED:
        return "outgoing.why.cancelled"
    if state in (OutState.DRAFT, OutState.BLOCKED):
        return ""
    if any(each.state not in UNSENT for each in found.deliveries):
        return "outgoing.why.on_axis"
    return ""


def no_slip(found: SeenOutgoing) -> str:
    if found.document.is_sealed:
        return "outgoing.why.sealed"
    return "outgoing.why.draft" if found.document.state is OutState.DRAFT else ""


def not_away(found: SeenOutgoing) -> str:
    document = found.document
    if document.is_sealed:
        return "outgoing.why.sealed"
    if not document.kind.is_whole:
        return "outgoing.why.part"
    return "" if document.state is OutState.PACKED else "outgoing.why.not_sent"


_STEPS_TOLD = frozenset({"queued", "sent", "failed", "cancelled"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineMoment:
    """One line of a timeline. `who` is `node`, `them`, or the name of a person of ours, with `staff` of theirs to reach;
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
    technical: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientRow:
    """`took` is how long it was from the axis to its taking in; `late` that it should have taken it in by now."""

    delivery: Delivery
    word: str
    text: str
    late: bool
    at: datetime
    note: str = ""
    took: timedelta | None = None
    marks: tuple[str, ...] = ()
    way: Way | None = None
    lines: tuple[TimelineMoment, ...] = field(default=(), repr=False)


def recipient_rows(found: SeenOutgoing, now: datetime, lang: str) -> list[RecipientRow]:
    made = [_recipient_row(found, each, now, lang) for each in found.deliveries]
    return sorted(
        made,
        key=lambda row: (
            row.word not in FAULTY | {"unknown"},
            not row.late,
            name_key(row.delivery.recipient.name or row.delivery.recipient.code),
        ),
    )


def _recipient_row(found: SeenOutgoing, delivery: Delivery, now: datetime, lang: str) -> RecipientRow:
    view = recipient_view(delivery, found.facts.get(delivery.id, ()), lang)
    facts, last = [each.fact for each in view.facts], view.last
    sent = [each for each in facts if each.code == "sent"]
    taken = next((each.at for each in facts if each.track is Track.BUSINESS and each.code == "03"), None)
    by = [labels.say("axis.by", lang, axis=each.axis) for each in sent[-1:] if each.axis]
    late = found.is_late(delivery, now)
    lines = [_fact_moment(each, view, found, lang) for each in view.facts]
    code = delivery.recipient.code.casefold()
    lines += [
        TimelineMoment(
            at=each.at,
            word="urged",
            who=str(each.data.get("person", "")),
            text=labels.say("outgoing.urged", lang),
            note=labels.say(f"outgoing.urge.how.{each.data.get('how', 'other')}", lang),
        )
        for each in found.events
        if each.kind is EventKind.MESSAGE_URGED and str(each.data.get("to", "")).casefold() == code
    ]
    lines.sort(key=lambda each: each.at or now)
    if late and found.line is not None and found.line.due_at is not None:
        words = labels.say("outgoing.late", lang)
        lines.append(TimelineMoment(at=None, word="late", text=words, stated=found.line.due_at))
    reply_late = [labels.say("mark.reply_late", lang)] if delivery.id in found.answers_late else []
    return RecipientRow(
        delivery=delivery,
        word=delivery.state,
        text=state_word(delivery.state, lang),
        late=late,
        at=view.at,
        note=" · ".join(last.said) if last is not None and last.fact.track is not Track.TRANSPORT else "",
        took=taken - sent[0].at if sent and taken is not None and taken >= sent[0].at else None,
        marks=(*by, *view.marks, *reply_late),
        way=way_of(facts, delivery.state),
        lines=tuple(lines),
    )


def _fact_moment(view: FactView, whose: RecipientView, found: SeenOutgoing, lang: str) -> TimelineMoment:
    fact, said = view.fact, view.said
    if fact.track is Track.TRANSPORT and fact.code in _STEPS_TOLD:
        # The how-manieth of its kind it is.
        n = sum(each.fact.code == fact.code and each.at <= fact.at for each in whose.facts)
        said = (labels.say(f"outgoing.step.{fact.code}", lang, n=n), *said)
    return TimelineMoment(
        at=view.at,
        stated=view.stated,
        skewed=view.skewed,
        who=view.by,
        staff=view.staff,
        word=view.key,
        text=view.word,
        note=" · ".join(dict.fromkeys(said)),
        packet=_fact_packet(view, whose.delivery, found),
        proved=fact.proved,
        technical=_technical(fact, lang),
    )


def _technical(fact: Fact, lang: str) -> str:
    """The code that stood in it, which axis it went by, and in which form."""
    said = [labels.say("outgoing.technical.code", lang, code=fact.code)] if fact.code.isdigit() else []
    if fact.axis:
        said.append(labels.say("axis.by", lang, axis=fact.axis))
    if fact.handed is not None:
        said.append(labels.say(f"axis.form.{fact.handed.form}", lang))
    return ", ".join(said)


def _fact_packet(view: FactView, delivery: Delivery, found: SeenOutgoing) -> str:
    fact = view.fact
    if view.by is By.NODE:
        digest = fact.handed.digest if fact.handed is not None else found.document.envelope_digest
        left = fact.track is Track.TRANSPORT and fact.code == "sent"
        return str(digest) if digest is not None and left else ""
    return (
        f"{fact.packet_digest}?noi-nhan={delivery.recipient.code}" if fact.packet_digest is not None else ""
    )
