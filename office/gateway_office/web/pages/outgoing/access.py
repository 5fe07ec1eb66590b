"""One outgoing document as a page works with it: all its records in one read, the part that the person may see, the acts
that are possible and the reasons against the others, and its recipients: one row each with its timeline, oldest first. In:
a request whose address names it; its records, the person's rights, a moment, a language. Out: `OutgoingView`, NotFound for
another agency's, Denied for another person's own: rules 13 (rights by role); one `DocumentAct` for each act of that
person's rights, with its page or the reason in words, where the flow checks again; rows, bad ones first, then by name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway import retention
from gateway.document_view.facts import FactSource, FactView, state_word
from gateway.document_view.recipients import Progress, RecipientView, progress_of, recipient_view
from gateway.domain.document import Delivery, OutgoingDocument, OutState, Staff
from gateway.domain.event import Event, EventKind
from gateway.domain.outgoing_acts import Act, objection, standing_of
from gateway.domain.retention import Expiry
from gateway.domain.states import AWAITED, FAULTY, NEVER_LEFT, REQUESTED, State, Track
from gateway.domain.status import Fact
from gateway.domain.text import name_key
from gateway.errors import Denied
from gateway.outgoing.answering import late_answers
from gateway.outgoing.stopping import UNSENT
from gateway.words import labels
from gateway_office.domain.document_link import SeenLink
from gateway_office.domain.listing import ListLine
from gateway_office.domain.roles import Manner, Right
from gateway_office.domain.work_file import FileMember, WorkFile
from gateway_office.letters.links import links_of
from gateway_office.web import dates, display_names
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.pages import content
from gateway_office.web.routes import Needs

SEES = (Needs(right=Right.SEE_CONTENT),)
# All rights to content; an order's number is asked for where one is needed.
READS = (Needs(right=Right.SEE_CONTENT, manners=(Manner.YES, Manner.OWN, Manner.ORDER)),)
PRINTS = (Needs(right=Right.SEE_CONTENT, manners=(Manner.YES, Manner.OWN)),)
ID = "{id:msg_[0-9A-Za-z]+}"
PATH = f"/van-ban-di/{ID}"
TAKE_BACK_FORM = "lay-lai"
"""Word of an address that asks for the bare status 13 in place of a notice."""
MAY_ISSUE = (Right.ISSUE, (Manner.YES,))
MAY_RECALL = (Right.RECALL, (Manner.RECORDED,))
MAY_URGE = (Right.URGE, (Manner.YES,))
MAY_PRINT = (Right.SEE_CONTENT, (Manner.YES, Manner.OWN))
# In these states the same bytes may go once more; other recipients have them, or have refused them.
RESENDABLE = AWAITED | {State.FAILED, State.SENDING}
_CLOSED_STATES = frozenset({State.CANCELLED, State.PAPER, State.REJECTED, State.REQUEST_AGREED})
_NUMBERED_STEPS = frozenset({State.QUEUED, State.SENT, State.FAILED, State.CANCELLED})


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingView:
    """Outgoing document as this person sees it. `content`: the person may know what it is about. `line` is None where no
    list shows it."""

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
    """Ids of deliveries whose recipients missed the day of their answer."""
    namesakes: tuple[OutgoingDocument, ...] = ()
    """Documents of the same number and date sent at other times, to others or once more."""
    files: Sequence[tuple[WorkFile, FileMember]] = ()
    links: Sequence[SeenLink] = ()
    kept_until: Expiry | None = None

    @property
    def path(self) -> str:
        return f"/van-ban-di/{self.document.id}"

    @property
    def mark(self) -> str:
        """Return the id of a person's last act on it: a form that was made before that act is refused."""
        last = self.last
        return last.id if last is not None else ""

    @property
    def last(self) -> Event | None:
        acts = [
            event
            for event in self.events
            if event.principal_id != display_names.NODE_ITSELF and event.kind in _PERSONS_ACTS
        ]
        return max(acts, key=lambda event: (event.at, event.id), default=None)

    def is_late(self, delivery: Delivery, now: datetime) -> bool:
        """Tell whether that recipient should have taken it in by now."""
        return self.line is not None and self.line.is_overdue(now) and delivery.state in AWAITED


_PERSONS_ACTS = frozenset(
    {
        EventKind.MESSAGE_ACCEPTED,
        EventKind.MESSAGE_QUEUED,
        EventKind.MESSAGE_CANCELLED,
        EventKind.RECALL_REQUESTED,
        EventKind.REQUEST_ANSWERED,
        EventKind.MESSAGE_URGED,
        EventKind.HOLD_BEGUN,
        EventKind.HOLD_LIFTED,
    }
)


async def find(request: PageRequest) -> OutgoingView:
    """Load the document that the address names."""
    granted = request.person.require(Right.SEE_CONTENT)
    async with request.deps.store.read(request.scope()) as work:
        document = await work.outgoing.get(request.path("id"))
        if granted.manner is Manner.OWN and document.accepted_by != request.person.person.id:
            raise Denied("this document is not one of this person or unit", code="GW-RIGHT")
        deliveries = tuple(await work.deliveries.of_document(document.id))
        namesakes = await work.outgoing.by_document_id(document.document_id)
        return OutgoingView(
            document=document,
            content=granted.manner in (Manner.YES, Manner.OWN) and not document.is_sealed,
            manner=granted.manner,
            deliveries=deliveries,
            facts=await work.facts.of_subjects([d.id for d in deliveries]) if deliveries else {},
            events=tuple(await work.events.of_subject(document.id)),
            line=await work.office.lists.line(document.id),
            parent=await work.outgoing.get(document.parent_id) if document.parent_id else None,
            answers_late=await late_answers(work, [document], {document.id: deliveries}, request.today),
            files=await work.office.work_files.of_document(document.id),
            links=await links_of(work, document.id),
            kept_until=await retention.expiry_of(work, document),
            children=tuple(await work.outgoing.children(document.id)),
            namesakes=tuple(
                d
                for d in namesakes
                if d.id != document.id
                and d.kind.is_whole
                and (granted.manner is not Manner.OWN or d.accepted_by == request.person.person.id)
            ),
        )


async def find_named(request: PageRequest, id: str) -> OutgoingDocument:
    """Load another document of the agency, for a person who may read it."""
    async with request.deps.store.read(request.scope()) as work:
        document = await work.outgoing.get(id)
    is_own = document.accepted_by == request.person.person.id
    if document.is_sealed or not (is_own or request.may(Right.SEE_CONTENT, Manner.YES)):
        raise Denied("this document is not one of this person", code="GW-RIGHT")
    return document


async def note_read(request: PageRequest, document: OutgoingDocument, file: str) -> None:
    own = document.accepted_by == request.person.person.id
    await content.note_read(request, document.id, file, assigned=own)


async def names_of_people(request: PageRequest, principals: Iterable[str]) -> Mapping[str, str]:
    return await display_names.names_of(request, principals, "outgoing.by")


async def conflict(request: PageRequest, outgoing: OutgoingView) -> str:
    """Write the sentence on a person's act since the form was made; empty where there is none."""
    last = outgoing.last
    if last is None or request.form.text("seen") == outgoing.mark:
        return ""
    person = (await names_of_people(request, [last.principal_id]))[last.principal_id]
    return request.say(
        "notice.changed_by", person=person, time=dates.clock_text(last.at, request.deps.clock.now())
    )


def heading(request: PageRequest, key: str) -> str:
    """Return the title of an act's page: its button's text without the dots that announce a page."""
    return request.say(key).removesuffix("…")


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentAct:
    """Act on a document. `why` is the key of the reason against it; empty where it can be done. `letter` is the key that
    opens its page."""

    key: str
    path: str
    why: str = ""
    letter: str = ""


def acts_of(
    outgoing: OutgoingView, now: datetime, may: Callable[[Right, Collection[Manner]], bool]
) -> tuple[DocumentAct, ...]:
    """List the acts in the order of the page, without those that the person has no right to."""
    base_path, id = outgoing.path, outgoing.document.id
    cancel = (MAY_ISSUE, "cancel", f"{base_path}/huy-gui", no_cancel(outgoing))
    if outgoing.document.state is OutState.DRAFT:
        cancel = (MAY_ISSUE, "discard", f"/phat-hanh/{id}/bo", "")
    candidates = (
        (MAY_ISSUE, "resend", f"{base_path}/gui-lai", no_resend(outgoing)),
        (MAY_ISSUE, "anew", f"{base_path}/sua-lai", no_correction(outgoing)),
        (MAY_ISSUE, "further", f"{base_path}/gui-them", refusal(outgoing, Act.ADD_RECIPIENTS)),
        (MAY_URGE, "urge", f"{base_path}/don-doc", no_urging(outgoing, now)),
        (MAY_RECALL, "fix", f"{base_path}/sai-gi", no_fix(outgoing)),
        cancel,
        (MAY_PRINT, "slip", f"{base_path}/phieu-gui", no_slip(outgoing)),
    )
    return tuple(
        DocumentAct(key=key, path=path, why=why, letter="r" if key == "resend" else "")
        for (right, manners), key, path, why in candidates
        if may(right, manners) and (key != "anew" or not why)
    )


def fixes_of(outgoing: OutgoingView) -> tuple[DocumentAct, ...]:
    """List the acts on a document that turned out to be wrong, the commonest fault first."""
    base_path, id = outgoing.path, outgoing.document.id
    candidates = (
        ("replace", f"/phat-hanh?thay-the={id}", refusal(outgoing, Act.REPLACE)),
        ("correct", f"/phat-hanh?dinh-chinh={id}", refusal(outgoing, Act.REPLACE)),
        ("update", f"/phat-hanh?cap-nhat={id}", no_update(outgoing)),
        ("recall", f"{base_path}/thu-hoi", no_recall(outgoing)),
        ("take_back", f"{base_path}/thu-hoi?hinh-thuc={TAKE_BACK_FORM}", no_recall(outgoing)),
    )
    return tuple(DocumentAct(key=key, path=path, why=why) for key, path, why in candidates)


def no_fix(outgoing: OutgoingView) -> str:
    objections = [act.why for act in fixes_of(outgoing)]
    return objections[0] if all(objections) else ""


def refusal(outgoing: OutgoingView, act: Act) -> str:
    """Return the key of the reason that the document's state is against the act."""
    standing = standing_of(outgoing.document, {d.state for d in outgoing.deliveries})
    reason = objection(standing, act)
    return f"outgoing.why.{reason}" if reason else ""


def no_resend(outgoing: OutgoingView) -> str:
    if why := refusal(outgoing, Act.RESEND):
        return why
    if not resendable(outgoing):
        states = {d.state for d in outgoing.deliveries}
        return "outgoing.why.all_gone" if states <= _CLOSED_STATES else "outgoing.why.all_have_it"
    return ""


def resendable(outgoing: OutgoingView) -> Sequence[Delivery]:
    return [d for d in outgoing.deliveries if d.state in RESENDABLE]


def no_correction(outgoing: OutgoingView) -> str:
    """Explain why it cannot be corrected: only a refused document can."""
    is_refused = any(d.state == State.REJECTED for d in outgoing.deliveries)
    return refusal(outgoing, Act.CORRECT) if is_refused else "outgoing.why.nobody_refused"


def no_urging(outgoing: OutgoingView, now: datetime) -> str:
    return refusal(outgoing, Act.URGE) if late_deliveries(outgoing, now) else "outgoing.why.nobody_late"


def late_deliveries(outgoing: OutgoingView, now: datetime) -> Sequence[Delivery]:
    return [d for d in outgoing.deliveries if outgoing.is_late(d, now) or d.id in outgoing.answers_late]


def no_recall(outgoing: OutgoingView) -> str:
    if why := refusal(outgoing, Act.RECALL):
        return why
    if not recallable(outgoing):
        if any(d.state in REQUESTED for d in outgoing.deliveries):
            return "outgoing.why.request_open"
        never_left = all(d.state in NEVER_LEFT for d in outgoing.deliveries)
        return "outgoing.why.not_left" if never_left else "outgoing.why.all_gone"
    return ""


def recallable(outgoing: OutgoingView) -> Sequence[Delivery]:
    """List the deliveries that a recall may ask: delivered, and without an open request."""
    return [
        d
        for d in outgoing.deliveries
        if d.state not in NEVER_LEFT | REQUESTED | {State.REQUEST_AGREED, State.REJECTED}
    ]


def no_update(outgoing: OutgoingView) -> str:
    if why := refusal(outgoing, Act.UPDATE):
        return why
    return "outgoing.why.request_open" if any(d.state in REQUESTED for d in outgoing.deliveries) else ""


def no_cancel(outgoing: OutgoingView) -> str:
    if why := refusal(outgoing, Act.CANCEL):
        return why
    if any(d.state not in UNSENT for d in outgoing.deliveries):
        return "outgoing.why.on_axis"
    return ""


def no_slip(outgoing: OutgoingView) -> str:
    return refusal(outgoing, Act.SLIP)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineMoment:
    """Line of a timeline. `actor` is `node`, `them`, or the name of a person of ours, with `staff` of theirs to reach;
    `packet` is the part of an address that opens the signed packet behind it."""

    at: datetime | None
    word: str
    text: str
    stated: datetime | None = None
    skewed: bool = False
    actor: str = ""
    staff: Staff | None = None
    note: str = ""
    packet: str = ""
    proved: bool = False
    technical: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientRow:
    """Row of one recipient. `took` is the time from the axis to taking in; `late`: it should have taken it in by now."""

    delivery: Delivery
    word: str
    text: str
    late: bool
    at: datetime
    note: str = ""
    took: timedelta | None = None
    marks: tuple[str, ...] = ()
    stages: Progress | None = None
    lines: tuple[TimelineMoment, ...] = field(default=(), repr=False)


def recipient_rows(outgoing: OutgoingView, now: datetime, lang: str) -> list[RecipientRow]:
    rows = [_recipient_row(outgoing, d, now, lang) for d in outgoing.deliveries]
    return sorted(
        rows,
        key=lambda row: (
            row.word not in FAULTY | {State.UNKNOWN},
            not row.late,
            name_key(row.delivery.recipient.name or row.delivery.recipient.code),
        ),
    )


def _recipient_row(outgoing: OutgoingView, delivery: Delivery, now: datetime, lang: str) -> RecipientRow:
    view = recipient_view(delivery, outgoing.facts.get(delivery.id, ()), lang)
    facts, last = [f.fact for f in view.facts], view.last
    sendings = [f for f in facts if f.code == State.SENT]
    taken_in_at = next((f.at for f in facts if f.track is Track.BUSINESS and f.code == "03"), None)
    axis_words = [labels.say("axis.by", lang, axis=f.axis) for f in sendings[-1:] if f.axis]
    is_late = outgoing.is_late(delivery, now)
    lines = [_fact_moment(f, view, outgoing, lang) for f in view.facts]
    code = delivery.recipient.code.casefold()
    lines += [
        TimelineMoment(
            at=f.at,
            word="urged",
            actor=str(f.data.get("person", "")),
            text=labels.say("outgoing.urged", lang),
            note=labels.say(f"outgoing.urge.how.{f.data.get('how', 'other')}", lang),
        )
        for f in outgoing.events
        if f.kind is EventKind.MESSAGE_URGED and str(f.data.get("to", "")).casefold() == code
    ]
    lines.sort(key=lambda f: f.at or now)
    if is_late and outgoing.line is not None and outgoing.line.due_at is not None:
        words = labels.say("outgoing.late", lang)
        lines.append(TimelineMoment(at=None, word="late", text=words, stated=outgoing.line.due_at))
    reply_late = [labels.say("mark.reply_late", lang)] if delivery.id in outgoing.answers_late else []
    return RecipientRow(
        delivery=delivery,
        word=delivery.state,
        text=state_word(delivery.state, lang),
        late=is_late,
        at=view.at,
        note=" · ".join(last.texts) if last is not None else "",
        took=taken_in_at - sendings[0].at
        if sendings and taken_in_at is not None and taken_in_at >= sendings[0].at
        else None,
        marks=(*axis_words, *view.marks, *reply_late),
        stages=progress_of(facts, delivery.state),
        lines=tuple(lines),
    )


def _fact_moment(
    view: FactView, recipient: RecipientView, outgoing: OutgoingView, lang: str
) -> TimelineMoment:
    fact, notes = view.fact, view.texts
    if fact.track is Track.TRANSPORT and fact.code in _NUMBERED_STEPS:
        # Its ordinal among the facts of its kind.
        n = sum(f.fact.code == fact.code and f.at <= fact.at for f in recipient.facts)
        notes = (labels.say(f"outgoing.step.{fact.code}", lang, n=n), *notes)
    return TimelineMoment(
        at=view.at,
        stated=view.stated,
        skewed=view.skewed,
        actor=view.by,
        staff=view.staff,
        word=view.key,
        text=view.word,
        note=" · ".join(dict.fromkeys(notes)),
        packet=_fact_packet(view, recipient.delivery, outgoing),
        proved=fact.proved,
        technical=_technical(view, lang),
    )


def _technical(view: FactView, lang: str) -> str:
    """Describe a fact by its code, axis and form, a failure by its detail."""
    fact = view.fact
    parts = [labels.say("outgoing.technical.code", lang, code=fact.code)] if fact.code.isdigit() else []
    if fact.axis:
        parts.append(labels.say("axis.by", lang, axis=fact.axis))
    if fact.handed is not None:
        parts.append(labels.say(f"axis.form.{fact.handed.form}", lang))
    return ", ".join(filter(None, (*parts, view.technical)))


def _fact_packet(view: FactView, delivery: Delivery, outgoing: OutgoingView) -> str:
    fact = view.fact
    if view.by is FactSource.NODE:
        digest = fact.handed.digest if fact.handed is not None else outgoing.document.envelope_digest
        was_sent = fact.track is Track.TRANSPORT and fact.code == State.SENT
        return str(digest) if digest is not None and was_sent else ""
    return (
        f"{fact.packet_digest}?noi-nhan={delivery.recipient.code}" if fact.packet_digest is not None else ""
    )
