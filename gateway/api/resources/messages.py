"""Outgoing documents, read: the list, one of them, its timeline, its files, its envelope; and the paper dispatch list. In:
a call. Out: views of `message_view`, or the signed bytes as they were sent; documents to send on paper and those handed
over; and everything that proves a sent or received document, a ZIP file that each call makes anew, leaving an event
(docs/evidence.md). One write is here: that a document was handed over on paper, by day and means; all others are in
`writing`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Literal

from aiohttp import web
from pydantic import Field, StringConstraints

from gateway.api import message_view, routes
from gateway.api.call import (
    Call,
    DocumentsQuery,
    PageOut,
    Since,
    Words,
    check_words,
    download,
    page_of,
    slices,
    stream,
)
from gateway.api.deps import EvidencePacks
from gateway.api.message_view import Message
from gateway.api.routes import Routes
from gateway.api.shapes import (
    AgencyCode,
    Asking,
    Code,
    Day,
    EventWord,
    FactWord,
    Moment,
    OutWord,
    RequestModel,
    RequestWord,
    ResponseModel,
    Text,
    TrackWord,
)
from gateway.document_view.facts import heir_text, sent_fact, state_word, without_reference
from gateway.domain.account import ApiScope
from gateway.domain.document import OutgoingDocument, OutState
from gateway.domain.feed import event_id
from gateway.domain.states import STATES
from gateway.domain.status import Fact, is_skewed
from gateway.errors import NotFound
from gateway.outgoing import files, manage
from gateway.outgoing.manage import PaperLine
from gateway.policy.outgoing import Handover, Means
from gateway.store.work import SqlWork
from gateway.stored_content import Door, note_reading, stream_pieces


class MessagesQuery(DocumentsQuery):
    """Filters of outgoing documents. A document is sent when the node has answered for it, so `sent_at` and
    `created_at` are one moment."""

    state: Words = Field(
        default_factory=list,
        description="One or more states, separated by commas",
        json_schema_extra={"items": {"type": "string", "enum": list(dict.fromkeys((*STATES, *OutState)))}},
    )
    partner: AgencyCode | None = Field(None, description="Code of an agency to which it goes")
    external_id: Annotated[Asking, StringConstraints(min_length=1)] | None = Field(
        None, description="Your own id of a document; at most one document has it"
    )
    created_from: Since | None = Field(None, alias="created_at[gte]")
    created_to: Since | None = Field(None, alias="created_at[lt]")
    sent_from: Since | None = Field(None, alias="sent_at[gte]")
    sent_to: Since | None = Field(None, alias="sent_at[lt]")
    sort: Literal["-created_at", "created_at"] = Field(
        "-created_at", description="With a minus sign the newest come first"
    )


class Messages(PageOut[Message]):
    """One page."""


class StaffOut(ResponseModel):
    name: str | None
    department: str | None
    phone: str | None
    email: str | None


class HandedOut(ResponseModel):
    """The file that was handed to the axis of this recipient, if it is not the standard envelope; get it with `to`
    of the call for the envelope."""

    form: Literal["unsigned", "dotnet"]
    sha256: str
    size: int


class FactOut(ResponseModel):
    """One fact about one recipient, with our time and the time that the other side states."""

    track: TrackWord
    code: FactWord
    text: str
    at: Moment
    stated_at: Moment | None
    skewed: bool
    proved: bool = Field(description="A signed receipt proves it")
    heir: str | None = Field(
        description="Successor of the ended recipient: the message was sent to it, or it answered"
    )
    heir_text: str | None = Field(description="That it did, with the decision that lets it")
    request: RequestWord | None
    reason: str | None
    note: str | None
    staff: StaffOut | None
    handed: HandedOut | None


class RecipientTimeline(ResponseModel):
    code: str
    name: str | None
    state: OutWord
    state_text: str
    facts: list[FactOut]


class HappenedOut(ResponseModel):
    id: str
    type: EventWord
    at: Moment
    sequence: int | None
    data: dict[str, Any]  # Any: what an event says differs by its type


class Timeline(ResponseModel):
    """Everything known about a message, oldest first."""

    id: str
    recipients: list[RecipientTimeline]
    events: list[HappenedOut]


ROUTES = Routes("messages", ApiScope.MESSAGES_READ)
PAPER_ROUTES = Routes("messages", ApiScope.MESSAGES_READ)


@ROUTES(
    "GET /messages",
    "Outgoing documents, newest first",
    text="Without filters every document of the agency is listed, drafts and cancelled ones too. "
    "Follow `next_cursor`, or the header Link, until it is absent: rows that change meanwhile are "
    "neither missed nor repeated.",
)
async def list_messages(call: Call, query: MessagesQuery) -> Messages:
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
                number=query.number_and_symbol(),
                document_id=query.document_id,
                recipient=query.partner,
                ids=await query.changed_ids(work),
                oldest_first=query.sort == "created_at",
            ),
        )
        rows = await _views(call, work, page.items)
    return Messages.paged(rows, page.next_cursor)


async def _views(call: Call, work: SqlWork, documents: Sequence[OutgoingDocument]) -> list[Message]:
    is_bare = not call.wants(*message_view.OF_DELIVERIES)
    return await message_view.load_messages(
        work, documents, call.lang, call.deps.out.today(), bare=is_bare, normalized=call.normalized
    )


async def present(call: Call, document: OutgoingDocument) -> Message:
    """Return the view of a document as it was just read or changed."""
    async with call.deps.store.read(call.scope()) as work:
        (view,) = await _views(call, work, [document])
    return view


@ROUTES(
    "GET /messages/{id}",
    "One outgoing document, with the state of each recipient",
    text="`state` is the state of the whole; each recipient has its own. The ETag changes with every "
    "change, also of a recipient.",
    headers=("ETag",),
)
async def read_message(call: Call) -> Message:
    async with call.deps.store.read(call.scope()) as work:
        (view,) = await _views(call, work, [await work.outgoing.get(call.path("id"))])
    return call.versioned(view, view.version)


@ROUTES(
    "GET /messages/{id}/events",
    "Timeline of a document: every fact of every recipient, and every event",
    text="Oldest first. A fact with `proved` rests on a signed receipt, and `stated_at` is the time "
    "that the other side names.",
)
async def read_timeline(call: Call) -> Timeline:
    async with call.deps.store.read(call.scope()) as work:
        document = await work.outgoing.get(call.path("id"))
        deliveries = await work.deliveries.of_document(document.id) if call.wants("recipients") else ()
        facts_by_delivery = {d.id: await work.facts.of_subject(d.id) for d in deliveries}
        events = await work.events.of_subject(document.id) if call.wants("events") else ()
    return Timeline(
        id=document.id,
        recipients=[
            RecipientTimeline.from_object(
                delivery.recipient,
                state=delivery.state,
                state_text=state_word(delivery.state, call.lang),
                facts=[
                    _fact_view(call, fact)
                    for fact in sorted(facts_by_delivery[delivery.id], key=lambda fact: fact.at)
                ],
            )
            for delivery in deliveries
        ],
        events=[
            HappenedOut.from_object(e, id=event_id(e), type=e.kind, sequence=e.agency_seq) for e in events
        ],
    )


class EnvelopeQuery(RequestModel):
    to: Code | None = Field(
        None,
        description="Code of a recipient, for the file that was handed to its axis; if absent, the standard "
        "envelope",
    )


@ROUTES.file("GET /messages/{id}/files/{n}", "One of its files, as it was handed in")
async def read_message_file(call: Call) -> web.StreamResponse:
    return await stream(call, await files.open_file(*call.outgoing, call.number("n")))


@ROUTES.file(
    "GET /messages/{id}/envelope",
    "The signed envelope, byte for byte as it was sent",
    text="With `to`, the file that was handed to the axis of that recipient, if its route has another form.",
    media="application/xml",
)
async def read_envelope(call: Call, query: EnvelopeQuery) -> web.StreamResponse:
    async with call.deps.store.read(call.scope()) as work:
        document = await work.outgoing.get(call.path("id"))
        envelope = await files.open_envelope(call.deps.out, work, document, query.to)
    name = f"{document.id}.edxml"
    await note_reading(call.deps.out, call.scope(), document.id, name, Door.API)
    return await download(
        call,
        name=name,
        content_type="application/xml",
        size=envelope.size,
        sha256=envelope.digest,
        pieces=slices(call.deps.pool, envelope.open),
    )


def _fact_view(call: Call, fact: Fact) -> FactOut:
    return FactOut.from_object(
        fact,
        text=sent_fact(fact, call.lang).word,
        heir_text=heir_text(fact.heir, fact.heir_by, call.lang),
        skewed=is_skewed(fact),
        request=fact.request_kind,
        reason=without_reference(fact.reason),
        note=without_reference(fact.note),
        handed=HandedOut.from_object(fact.handed, sha256=fact.handed.digest)
        if fact.handed is not None
        else None,
    )


class PaperQuery(RequestModel):
    handed_from: Day | None = Field(
        None,
        description="First day of the handed-over documents; if absent, the list has those still waiting",
    )
    handed_to: Day | None = Field(None, description="Last day of the period; today if absent")


class HandOverIn(RequestModel):
    """Time and means of a hand-over on paper."""

    means: Means
    on: Day | None = Field(None, description="Today if absent")
    note: Text = Field(
        "", description="Number of the receipt, or the person who took it; required with `other`"
    )
    recipients: list[Code] = Field(
        default_factory=list, max_length=2000, description="Default: all that still wait"
    )


class PaperLineOut(ResponseModel):
    """One letter to one recipient."""

    message: str
    number: str
    date: dt.date | None
    subject: str
    delivery_mode: str | None
    code: str
    name: str | None
    copies: int | None
    printed: list[str] = Field(description="Names of its files")
    since: Moment
    handed_over: dt.date | None
    means: str | None
    note: str


class PaperList(ResponseModel):
    data: list[PaperLineOut] = Field(
        description=f"At most {manage.MOST_PAPER_LINES}, the longest waiting first"
    )


@PAPER_ROUTES(
    "GET /paper",
    "Documents to be sent on paper, or handed over in a period",
    text="Documents with `delivery_mode` `paper` or `both`, one line for each recipient.",
)
async def list_paper(call: Call, query: PaperQuery) -> PaperList:
    today = call.deps.out.today()
    async with call.deps.store.read(call.scope()) as work:
        if query.handed_from is None and query.handed_to is None:
            paper_lines = await manage.paper_waiting(work)
        else:
            last = query.handed_to or today
            paper_lines = await manage.paper_handed_over(work, query.handed_from or last, last)
    return PaperList(data=[_paper_line(p) for p in paper_lines])


@PAPER_ROUTES(
    "POST /messages/{id}/hand-over",
    "Record when and how a document was handed over on paper",
    text="A repeated call for a named recipient corrects the earlier record.",
    scopes=(ApiScope.MESSAGES_SEND,),
    fails=(409,),
    headers=("ETag",),
    sample=routes.sample_dispatch,
)
async def hand_over_message(call: Call, body: HandOverIn) -> Message:
    handed_over = Handover(on=body.on or call.deps.out.today(), means=body.means, note=body.note)
    document = await manage.close_paper(*call.outgoing, handed_over, body.recipients)
    return call.versioned(await present(call, document), document.version)


def _paper_line(line: PaperLine) -> PaperLineOut:
    document, part = line.document, line.part
    draft = document.draft
    return PaperLineOut.from_object(
        part,
        line.delivery.recipient,
        draft,
        message=document.id,
        number=draft.code,
        date=draft.issued_on,
        subject="" if document.is_sealed else draft.subject,
        printed=[f.name for f in line.printed],
        since=part.opened_at,
    )


EVIDENCE_ROUTES = Routes("messages", ApiScope.EVIDENCE_READ)
_pack_route = partial(
    EVIDENCE_ROUTES,
    text="A ZIP file that can be checked anywhere with `gateway evidence verify`. Each call makes a new "
    "file and records an event.",
    media="application/zip",
    fails=(409,),
)


@_pack_route("GET /messages/{id}/evidence", "All evidence of this message in one file")
async def read_message_evidence(call: Call) -> web.StreamResponse:
    async with call.deps.store.read(call.scope()) as work:
        document = await work.outgoing.get(call.path("id"))
    return await _send_pack(call, document.id)


@_pack_route("GET /inbox/{id}/evidence", "All evidence of this incoming document in one file", tag="inbox")
async def read_inbox_evidence(call: Call) -> web.StreamResponse:
    async with call.deps.store.read(call.scope()) as work:
        document = await work.incoming.get(call.path("id"))
    return await _send_pack(call, document.id)


_proof_route = partial(
    EVIDENCE_ROUTES,
    text="A small text in C2SP's form `tlog-proof`: with it anyone can check that a file of the document is in the "
    "node's log and has not changed since (docs/proofs.md). A minute after the document was packed or taken in; before it "
    "409 `GW-NOT-SEALED`.",
    media="text/plain",
    fails=(409,),
)


@_proof_route("GET /messages/{id}/proof", "The message's place in the log as one small text")
async def read_message_proof(call: Call) -> web.StreamResponse:
    return await _send_proof(call)


@_proof_route(
    "GET /inbox/{id}/proof", "The incoming document's place in the log as one small text", tag="inbox"
)
async def read_inbox_proof(call: Call) -> web.StreamResponse:
    return await _send_proof(call)


async def _send_proof(call: Call) -> web.StreamResponse:
    id = call.path("id")
    proof = (await _evidence(call).proof(call.scope(), id)).encode()
    return await download(
        call,
        name=f"{id}.tlog-proof",
        content_type="text/plain",
        size=len(proof),
        sha256=None,
        pieces=stream_pieces(call.deps.pool, iter((proof,))),
    )


async def _send_pack(call: Call, id: str) -> web.StreamResponse:
    pack = await _evidence(call).make(call.scope(), id)
    await note_reading(call.deps.out, call.scope(), id, pack.name, Door.API)
    return await download(
        call,
        name=pack.name,
        content_type="application/zip",
        size=pack.size,
        sha256=None,
        pieces=stream_pieces(call.deps.pool, pack.pieces()),
    )


def _evidence(call: Call) -> EvidencePacks:
    if call.deps.evidence is None:
        raise NotFound("this process makes no evidence packs", hint="ask the node that gateway serve runs")
    return call.deps.evidence
