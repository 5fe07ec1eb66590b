"""Outgoing documents read: the list, one, its timeline, its envelope. In: a call. Out: views of `message_view`, or the
signed bytes as they were sent. Writing acts are in `acts`, creating ones in `creating`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from aiohttp import web
from pydantic import Field, StringConstraints

from gateway.api import message_view
from gateway.api.call import Call
from gateway.api.message_view import Message
from gateway.api.paging import PageOut, Since, TextQuery, Words, check_states, page_of
from gateway.api.resources.events import event_id
from gateway.api.routes import BASE, Route
from gateway.api.sending import download, giving, slices
from gateway.api.shapes import Moment, Told
from gateway.api.vocabulary import EventWord, FactWord, OutWord, RequestWord, TrackWord
from gateway.api.words import fact_word, state_word, without_reference
from gateway.domain.account import ApiScope
from gateway.domain.document import Delivery, OutgoingDocument, OutState
from gateway.domain.status import STATES, Fact, is_skewed
from gateway.errors import Clash
from gateway.outgoing import files, seal


class MessagesQuery(TextQuery):
    """Filters of outgoing documents. A document is sent when the node has answered for it, so `sent_at` and
    `created_at` are one moment."""

    state: Words = Field(
        default_factory=list,
        description="One or more states, with commas",
        json_schema_extra={"items": {"type": "string", "enum": list(dict.fromkeys((*STATES, *OutState)))}},
    )
    external_id: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = Field(
        None, description="Your own id of a document: the one that was accepted under it, or none"
    )
    created_from: Since | None = Field(None, alias="created_at[gte]")
    created_to: Since | None = Field(None, alias="created_at[lt]")
    sent_from: Since | None = Field(None, alias="sent_at[gte]")
    sent_to: Since | None = Field(None, alias="sent_at[lt]")


class Messages(PageOut[Message]):
    """One page."""


class StaffOut(Told):
    name: str | None
    department: str | None
    phone: str | None
    email: str | None


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
    check_states(query.state, (*STATES, *OutState))
    async with call.deps.store.read(call.scope()) as work:
        page = await page_of(
            call,
            work.outgoing.page(
                limit=query.limit,
                cursor=query.cursor,
                states=query.state,
                query=query.q,
                created_from=_later(query.created_from, query.sent_from),
                created_to=_earlier(query.created_to, query.sent_to),
                external_id=query.external_id,
            ),
        )
        deliveries = await work.deliveries.of_many([document.id for document in page.items])
    rows = [message_view.message(each, deliveries.get(each.id, ()), call.lang) for each in page.items]
    return call.tell(Messages(data=rows, next_cursor=page.next_cursor, has_more=page.next_cursor is not None))


async def read_message(call: Call) -> web.Response:
    document, deliveries = await found(call)
    told = message_view.message(document, deliveries, call.lang)
    return call.tell(told, version=document.version)


async def read_timeline(call: Call) -> web.Response:
    async with call.deps.store.read(call.scope()) as work:
        document = await work.outgoing.get(call.path("id"))
        deliveries = await work.deliveries.of(document.id)
        known = {each.id: await work.facts.of(each.id) for each in deliveries}
        events = await work.events.of(document.id)
    told = Timeline(
        id=document.id,
        recipients=[_timeline(call, each, list(known[each.id])) for each in deliveries],
        events=[
            HappenedOut(
                id=event_id(each), type=each.kind, at=each.at, sequence=each.agency_seq, data=each.data
            )
            for each in events
        ],
    )
    return call.tell(told)


async def read_envelope(call: Call) -> web.StreamResponse:
    async with call.deps.store.read(call.scope()) as work:
        document = await work.outgoing.get(call.path("id"))
        seal.refuse_sealed(document)
        if document.envelope_digest is None:
            raise Clash(f"{document.id} is {document.state}: it has no envelope yet")
        opener = await call.deps.blobs.open(work, document.envelope_digest)
    return await download(
        call,
        name=f"{document.id}.edxml",
        content_type="application/xml",
        size=document.envelope_size,
        sha256=document.envelope_digest,
        pieces=slices(call.deps.pool, opener),
    )


async def read_file(call: Call) -> web.StreamResponse:
    file = await files.open_file(call.deps.out, call.scope(), call.path("id"), call.number("n"))
    return await download(
        call,
        name=file.name,
        content_type=file.content_type,
        size=file.size,
        sha256=file.sha256,
        pieces=file.pieces,
    )


async def found(call: Call) -> tuple[OutgoingDocument, list[Delivery]]:
    """The message of the path, with its deliveries."""
    async with call.deps.store.read(call.scope()) as work:
        document = await work.outgoing.get(call.path("id"))
        return document, list(await work.deliveries.of(document.id))


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
    )


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    """Both bounds hold where both are given."""
    return max(one, other) if one and other else one or other


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min(one, other) if one and other else one or other


READ = (ApiScope.MESSAGES_READ,)

ROUTES = (
    Route(
        method="GET",
        path=f"{BASE}/messages",
        name="listMessages",
        tag="messages",
        handler=list_messages,
        summary="Outgoing documents, newest first",
        scopes=READ,
        query=MessagesQuery,
        answer=Messages,
        fails=(400,),
    ),
    Route(
        method="GET",
        path=f"{BASE}/messages/{{id}}",
        name="readMessage",
        tag="messages",
        handler=read_message,
        summary="One outgoing document, its recipients with their states",
        scopes=READ,
        answer=Message,
        fails=(404,),
        headers=("ETag",),
    ),
    Route(
        method="GET",
        path=f"{BASE}/messages/{{id}}/events",
        name="readTimeline",
        tag="messages",
        handler=read_timeline,
        summary="Its timeline: every fact of every recipient, and every event",
        scopes=READ,
        answer=Timeline,
        fails=(404,),
    ),
    giving(
        f"{BASE}/messages/{{id}}/files/{{n}}",
        "readMessageFile",
        "messages",
        read_file,
        "One of its files, as it was handed in",
        READ,
    ),
    giving(
        f"{BASE}/messages/{{id}}/envelope",
        "readEnvelope",
        "messages",
        read_envelope,
        "The signed envelope, byte for byte as it was sent",
        READ,
        "application/xml",
    ),
)
