"""Outgoing documents read: the list, one of them, its timeline, its files, its envelope; and the paper dispatch list.
In: a call. Out: views of `message_view`, or the signed bytes as they were sent; what has to go on paper and what was
handed over. One thing is written here: that a document was handed over on paper, by day and means; all other writing
is in `writing`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Literal

from aiohttp import web
from pydantic import Field, StringConstraints

from gateway.api import message_view, routes
from gateway.api.call import (
    Call,
    PageOut,
    Since,
    TextQuery,
    Words,
    check_words,
    download,
    download_route,
    page_of,
    slices,
    stream,
)
from gateway.api.message_view import Message
from gateway.api.routes import BASE, Route
from gateway.api.shapes import (
    Asked,
    Asking,
    Code,
    EventWord,
    FactWord,
    Moment,
    OutWord,
    RequestWord,
    Text,
    Told,
    TrackWord,
)
from gateway.api.words import fact_word, state_word, without_reference
from gateway.domain.account import ApiScope
from gateway.domain.document import Delivery, OutgoingDocument, OutState
from gateway.domain.feed import event_id
from gateway.domain.status import STATES, Fact, is_skewed
from gateway.outgoing import files, manage
from gateway.outgoing.manage import PaperLine
from gateway.policy.outgoing import HandedOver, Means
from gateway.ports import Work


class MessagesQuery(TextQuery):
    """Filters of outgoing documents. A document is sent when the node has answered for it, so `sent_at` and
    `created_at` are one moment."""

    state: Words = Field(
        default_factory=list,
        description="One or more states, with commas",
        json_schema_extra={"items": {"type": "string", "enum": list(dict.fromkeys((*STATES, *OutState)))}},
    )
    external_id: Annotated[Asking, StringConstraints(min_length=1)] | None = Field(
        None, description="Your own id of a document: the one that was accepted under it, or none"
    )
    created_from: Since | None = Field(None, alias="created_at[gte]")
    created_to: Since | None = Field(None, alias="created_at[lt]")
    sent_from: Since | None = Field(None, alias="sent_at[gte]")
    sent_to: Since | None = Field(None, alias="sent_at[lt]")
    sort: Literal["-created_at", "created_at"] = Field(
        "-created_at", description="With a minus the newest come first"
    )


class Messages(PageOut[Message]):
    """One page."""


class StaffOut(Told):
    name: str | None
    department: str | None
    phone: str | None
    email: str | None


class HandedOut(Told):
    """The file that the axis of this recipient was handed, where it is not the standard envelope; `to` of the call for the
    envelope gives it."""

    form: Literal["unsigned", "dotnet"]
    sha256: str
    size: int


class FactOut(Told):
    """One thing known about one recipient: in our time, and in the time that the other side states."""

    track: TrackWord
    code: FactWord
    text: str
    at: Moment
    stated_at: Moment | None
    skewed: bool
    proved: bool = Field(description="A signed receipt stands behind it")
    request: RequestWord | None
    reason: str | None
    note: str | None
    staff: StaffOut | None
    handed: HandedOut | None


class RecipientTimeline(Told):
    code: str
    name: str | None
    state: OutWord
    state_text: str
    facts: list[FactOut]


class HappenedOut(Told):
    id: str
    type: EventWord
    at: Moment
    sequence: int | None
    data: dict[str, Any]  # Any: what an event says differs by its type


class Timeline(Told):
    """Everything known about a message, oldest first."""

    id: str
    recipients: list[RecipientTimeline]
    events: list[HappenedOut]


async def list_messages(call: Call) -> web.Response:
    query = call.query_of(MessagesQuery)
    check_words("state", query.state, (*STATES, *OutState))
    async with call.deps.store.read(call.scope()) as work:
        page = await page_of(
            call,
            work.outgoing.page(
                limit=query.limit,
                cursor=query.cursor,
                states=query.state,
                query=query.q,
                # Both bounds hold where both are given.
                created_from=max(filter(None, (query.created_from, query.sent_from)), default=None),
                created_to=min(filter(None, (query.created_to, query.sent_to)), default=None),
                external_id=query.external_id,
                oldest_first=query.sort == "created_at",
            ),
        )
        deliveries: Mapping[str, Sequence[Delivery]] = {}
        if call.wants(*message_view.OF_DELIVERIES):
            deliveries = await work.deliveries.of_many([document.id for document in page.items])
        late = await _late(call, work, page.items, deliveries)
    rows = [
        message_view.message(each, deliveries.get(each.id, ()), call.lang, late=late) for each in page.items
    ]
    return call.tell(Messages(data=rows, next_cursor=page.next_cursor, has_more=page.next_cursor is not None))


async def read_message(call: Call) -> web.Response:
    async with call.deps.store.read(call.scope()) as work:
        document = await work.outgoing.get(call.path("id"))
        is_asked = call.wants(*message_view.OF_DELIVERIES)
        deliveries = await work.deliveries.of(document.id) if is_asked else ()
        late = await _late(call, work, [document], {document.id: deliveries})
    told = message_view.message(document, deliveries, call.lang, late=late)
    return call.tell(told, version=document.version)


async def _late(
    call: Call,
    work: Work,
    documents: Sequence[OutgoingDocument],
    deliveries: Mapping[str, Sequence[Delivery]],
) -> frozenset[str]:
    """Deliveries, by id, whose recipients were to answer by a day that is over, and have not."""
    today = call.deps.out.today()
    due = [each for each in documents if each.reply_by is not None and each.reply_by < today]
    answered = await work.outgoing.answered_from([each.id for each in due]) if due else {}
    return frozenset(
        one.id
        for each in due
        for one in deliveries.get(each.id, ())
        if each.is_answer_late(one, answered[each.id], today)
    )


async def read_timeline(call: Call) -> web.Response:
    async with call.deps.store.read(call.scope()) as work:
        document = await work.outgoing.get(call.path("id"))
        deliveries = await work.deliveries.of(document.id) if call.wants("recipients") else ()
        known = {each.id: await work.facts.of(each.id) for each in deliveries}
        events = await work.events.of(document.id) if call.wants("events") else ()
    told = Timeline(
        id=document.id,
        recipients=[_timeline(call, each, list(known[each.id])) for each in deliveries],
        events=[
            HappenedOut(id=event_id(e), type=e.kind, at=e.at, sequence=e.agency_seq, data=e.data)
            for e in events
        ],
    )
    return call.tell(told)


class EnvelopeQuery(Asked):
    to: Code | None = Field(
        None,
        description="A recipient's code: the file that its axis was handed; absent: the standard envelope",
    )


async def read_envelope(call: Call) -> web.StreamResponse:
    query = call.query_of(EnvelopeQuery)
    async with call.deps.store.read(call.scope()) as work:
        document = await work.outgoing.get(call.path("id"))
        envelope = await files.open_envelope(call.deps.out, work, document, query.to)
    return await download(
        call,
        name=f"{document.id}.edxml",
        content_type="application/xml",
        size=envelope.size,
        sha256=envelope.digest,
        pieces=slices(call.deps.pool, envelope.open),
    )


async def read_file(call: Call) -> web.StreamResponse:
    file = await files.open_file(call.deps.out, call.scope(), call.path("id"), call.number("n"))
    return await stream(call, file)


def _timeline(call: Call, delivery: Delivery, facts: list[Fact]) -> RecipientTimeline:
    facts.sort(key=lambda fact: fact.at)
    return RecipientTimeline(
        code=delivery.recipient.code,
        name=delivery.recipient.name,
        state=delivery.state,
        state_text=state_word(delivery.state, call.lang),
        facts=[_fact(call, fact) for fact in facts],
    )


def _fact(call: Call, fact: Fact) -> FactOut:
    staff = fact.staff
    return FactOut(
        track=fact.track,
        code=fact.code,
        text=fact_word(fact.track, fact.code, call.lang),
        at=fact.at,
        stated_at=fact.stated_at,
        skewed=is_skewed(fact),
        proved=fact.proved,
        request=fact.request_kind,
        reason=without_reference(fact.reason),
        note=without_reference(fact.note),
        staff=StaffOut(name=staff.name, department=staff.department, phone=staff.phone, email=staff.email)
        if staff
        else None,
        handed=HandedOut(form=fact.handed.form.value, sha256=fact.handed.digest, size=fact.handed.size)
        if fact.handed is not None
        else None,
    )


READ = (ApiScope.MESSAGES_READ,)
_reads = partial(Route, tag="messages", scopes=READ)
_gives = partial(download_route, tag="messages", scopes=READ)


ROUTES = (
    _reads(
        path=f"{BASE}/messages",
        name="listMessages",
        handler=list_messages,
        summary="Outgoing documents, newest first",
        query=MessagesQuery,
        answer=Messages,
        fails=(400,),
    ),
    _reads(
        path=f"{BASE}/messages/{{id}}",
        name="readMessage",
        handler=read_message,
        summary="One outgoing document, its recipients with their states",
        answer=Message,
        fails=(404,),
        headers=("ETag",),
    ),
    _reads(
        path=f"{BASE}/messages/{{id}}/events",
        name="readTimeline",
        handler=read_timeline,
        summary="Its timeline: every fact of every recipient, and every event",
        answer=Timeline,
        fails=(404,),
    ),
    _gives(
        path=f"{BASE}/messages/{{id}}/files/{{n}}",
        name="readMessageFile",
        handler=read_file,
        summary="One of its files, as it was handed in",
    ),
    _gives(
        path=f"{BASE}/messages/{{id}}/envelope",
        name="readEnvelope",
        handler=read_envelope,
        summary="The signed envelope, byte for byte as it was sent",
        text="With `to` the file that the axis of that recipient was handed, where a route gives it another form.",
        query=EnvelopeQuery,
        media="application/xml",
    ),
)


class PaperQuery(Asked):
    handed_from: dt.date | None = Field(
        None, description="With it, what was handed over since; else what waits"
    )
    handed_to: dt.date | None = Field(None, description="Last day of that; today where absent")


class HandOverIn(Asked):
    """When and how it was handed over on paper."""

    means: Means
    on: dt.date | None = Field(None, description="Today where absent")
    note: Text = Field("", description="Number of the receipt, or who took it; required with `other`")
    recipients: list[Code] = Field(
        default_factory=list, max_length=2000, description="Nobody named: all that still wait"
    )


class PaperLineOut(Told):
    """One letter to one recipient."""

    message: str
    number: str
    date: dt.date | None
    subject: str
    delivery_mode: str | None
    code: str
    name: str | None
    copies: int | None
    printed: list[str] = Field(description="Names of the files of which it consists")
    since: Moment
    handed_over: dt.date | None
    means: str | None
    note: str


class PaperList(Told):
    data: list[PaperLineOut] = Field(
        description=f"At most {manage.MOST_PAPER_LINES}, the longest waiting first"
    )


async def list_paper(call: Call) -> web.Response:
    query, today = call.query_of(PaperQuery), call.deps.out.today()
    async with call.deps.store.read(call.scope()) as work:
        if query.handed_from is None and query.handed_to is None:
            found = await manage.paper_waiting(work)
        else:
            last = query.handed_to or today
            found = await manage.paper_handed_over(work, query.handed_from or last, last)
    return call.tell(PaperList(data=[_paper_line(each) for each in found]))


async def hand_over(call: Call) -> web.Response:
    asked = call.body_of(HandOverIn)
    said = HandedOver(on=asked.on or call.deps.out.today(), means=asked.means, note=asked.note)
    document = await manage.close_paper(call.deps.out, call.scope(), call.path("id"), said, asked.recipients)
    async with call.deps.store.read(call.scope()) as work:
        deliveries = await work.deliveries.of(document.id)
    return call.tell(message_view.message(document, deliveries, call.lang), version=document.version)


def _paper_line(line: PaperLine) -> PaperLineOut:
    document, part = line.document, line.part
    draft = document.draft
    return PaperLineOut(
        message=document.id,
        number=draft.code,
        date=draft.issued_on,
        subject="" if document.is_sealed else draft.subject,
        delivery_mode=draft.delivery_mode,
        code=line.delivery.recipient.code,
        name=line.delivery.recipient.name,
        copies=draft.copies,
        printed=[each.name for each in line.printed],
        since=part.opened_at,
        handed_over=part.handed_over,
        means=part.means,
        note=part.note,
    )


PAPER_ROUTES = (
    _reads(
        path=f"{BASE}/paper",
        name="listPaper",
        handler=list_paper,
        summary="What has to go on paper, or was handed over in some days",
        text="Documents with `delivery_mode` `paper` or `both`, one line for each recipient.",
        query=PaperQuery,
        answer=PaperList,
        fails=(400,),
    ),
    Route(
        method="POST",
        path=f"{BASE}/messages/{{id}}/hand-over",
        name="handOverMessage",
        tag="messages",
        handler=hand_over,
        summary="Note that it was handed over on paper, when and how",
        text="Said again of a recipient that is named, it puts right what was said before.",
        scopes=(ApiScope.MESSAGES_SEND,),
        asks=HandOverIn,
        answer=Message,
        fails=(400, 404, 409, 422),
        sample=routes.sample_dispatch,
        headers=("ETag",),
    ),
)
