"""Outgoing documents, written by programs: created, acted on, and read from a signed PDF before. In: a call, for a new
document in parts that are streamed into the request's files. Out: 202 once everything is durable, or every reason against
it. A document is sent, kept as a draft, checked only, or sent as an update or replacement of another; a repeat under the
same Idempotency-Key gets the first answer again. An envelope built elsewhere is taken: without a signature the node writes
and signs it, one signed with a key bound to the agency's code leaves byte for byte. A draft is sent, a document is
cancelled, sent again or recalled; each honours If-Match, and a recall creates a packet and so needs an Idempotency-Key too.
A signed PDF is read for the form of a new document: number, symbol, date, type, abstract, signer, with their certainty, and
recipients with possible codes; nothing of it is stored."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from functools import partial

from aiohttp import web
from pydantic import Field

from gateway.api import message_view, parsing, pdf_view, routes
from gateway.api.call import Call, Words, once
from gateway.api.message_view import Message, RecipientOut, WarningOut
from gateway.api.models import (
    FurtherIn,
    MessageIn,
    NothingIn,
    RecallIn,
    ReplaceIn,
    ResendIn,
    SendIn,
    UpdateIn,
)
from gateway.api.parsing import read_file, read_order
from gateway.api.pdf_view import FieldsOut, OfferOut
from gateway.api.problems import reasons_json
from gateway.api.resources.messages import present
from gateway.api.routes import Body, Routes
from gateway.api.shapes import BASE, Line, RequestModel, ResponseModel, RuleWord
from gateway.api.words import Lang
from gateway.domain.account import ApiScope
from gateway.domain.document import Kind, OutgoingDocument, RecipientRole
from gateway.domain.states import State
from gateway.errors import NotFound
from gateway.outgoing import manage, ready_envelope
from gateway.outgoing.accept import accept
from gateway.outgoing.addressing import read_document as read_fields
from gateway.outgoing.check import check_for_preview
from gateway.outgoing.intake import Accepted, Once, Order, receive_files
from gateway.outgoing.more_recipients import send_to_more
from gateway.outgoing.recall import recall as ask_recall
from gateway.policy.pdf_fields import is_complete


class ProblemItem(ResponseModel):
    """One reason for the refusal."""

    pointer: str
    code: RuleWord
    detail: str
    suggest: str | None
    basis: str | None = Field(description="Articles that the rule rests on, as people cite them")


class Validated(ResponseModel):
    """Result that sending would have; nothing was stored."""

    allowed: bool
    problems: list[ProblemItem]
    warnings: list[WarningOut]
    recipients: list[RecipientOut] = Field(description="Recipients as they would be addressed today")
    number: str | None = Field(
        description="Stated number, or where the node gives the numbers the one that it would give now"
    )


class EnvelopeQuery(RequestModel):
    """Fields that the dialect does not have. Those that the envelope's own signature states go before them."""

    external_id: Line | None = Field(None, description="The caller's own id; permanently unique per agency")
    reply_required: bool | None = Field(
        None, description="If absent, a reply is required where the envelope has a DueDate"
    )
    role: RecipientRole = Field(RecipientRole.TO_ACT, description="Role of the recipients")
    category: Line | None = Field(None, description="Kind of content, if the sender declares it (R3)")
    callback_data: Line | None = Field(None, description="Stored and returned unchanged")
    confirm: Words = Field(
        default_factory=list,
        description="Codes from `confirm` of an earlier refusal that you have read and accept; separated by "
        "commas",
    )
    send: bool = Field(True, description="`false` stores a draft; not possible for a signed envelope")


_MEDIA = ("application/xml", "text/xml")
CREATE_ROUTES = Routes("messages", ApiScope.MESSAGES_SEND)
ACT_ROUTES = Routes("messages", ApiScope.MESSAGES_SEND)
_create = partial(CREATE_ROUTES, creates=True, answer=Message, headers=("ETag", "Location"))
_add = partial(ACT_ROUTES, creates=True, answer=Message, headers=("ETag", "Location"))
_act = partial(ACT_ROUTES, changes=True, headers=("ETag",))
READ_ROUTES = Routes("messages", ApiScope.MESSAGES_SEND)


@_create(
    "POST /messages",
    "Send a document, or keep a draft",
    text="The part `meta` (JSON) comes first, then one part per file, named by its role or listed in "
    "`meta.files`. "
    "202 means that the document is stored durably and will be sent. The example belongs to the "
    "agency Z91.07 of `gateway demo`.",
    body=Body.PARTS,
    asks=MessageIn,
    sample=routes.sample_message,
)
async def create_message(call: Call) -> web.Response:
    async with receive_files(call.deps.out) as files:
        checked = await read_order(call.request, MessageIn, call.scope(), files, call.deps.options)
        call = call.with_body(checked)
        rendering = Rendering(call)
        accepted = await accept(call.deps.out, call.scope(), order_of(checked.value), files, rendering.once())
    return rendering.answer(accepted)


@CREATE_ROUTES(
    "POST /messages:validate",
    "Run every check and store nothing",
    text="Takes what sending takes, and answers with every problem at once. Files are checked too, and "
    "then forgotten; no number is given, and nothing is promised for a later send.",
    body=Body.PARTS,
    asks=MessageIn,
    sample=routes.sample_message,
)
async def validate_message(call: Call) -> Validated:
    async with receive_files(call.deps.out) as files:
        checked = await read_order(call.request, MessageIn, call.scope(), files, call.deps.options)
        draft, verdict = await check_for_preview(call.deps.out, call.scope(), order_of(checked.value), files)
    warnings = message_view.warning_views(verdict.warnings, call.lang)
    if checked.normalized:
        warnings.append(message_view.normal_form(call.lang))
    return Validated(
        allowed=verdict.allowed,
        problems=[ProblemItem.model_validate(r) for r in reasons_json(verdict.reasons, call.lang)],
        warnings=warnings,
        recipients=[message_view.recipient(r, State.DRAFT, call.lang) for r in draft.recipients],
        number=draft.number or None,
    )


@_create(
    "POST /messages/{id}/update",
    "Send an update of a sent document (packet type 2)",
    text="Recipients that had the document are asked to apply it: each answers 15 or 16. Until then "
    "the document stands as it was.",
    changes=True,
    body=Body.PARTS,
    asks=UpdateIn,
    sample=routes.sample_update,
)
async def update_message(call: Call) -> web.Response:
    return await _change(call, Kind.UPDATE, UpdateIn)


@_create(
    "POST /messages/{id}/replace",
    "Send a document that replaces a sent one (packet type 3)",
    text="The new document takes the place of the old one at each recipient that answers 15; one that "
    "answers 16 keeps the old one beside it.",
    changes=True,
    body=Body.PARTS,
    asks=ReplaceIn,
    sample=routes.sample_replacement,
)
async def replace_message(call: Call) -> web.Response:
    return await _change(call, Kind.REPLACEMENT, ReplaceIn)


async def _change(call: Call, kind: Kind, model: type[UpdateIn] | type[ReplaceIn]) -> web.Response:
    parent = await _load_parent(call)
    async with receive_files(call.deps.out) as files:
        checked = await read_order(call.request, model, call.scope(), files, call.deps.options)
        call = call.with_body(checked)
        order = replace(
            order_of(checked.value), kind=kind, parent_id=parent.id, change=checked.value.to_change(parent)
        )
        rendering = Rendering(call)
        accepted = await accept(call.deps.out, call.scope(), order, files, rendering.once())
    return rendering.answer(accepted)


@_create(
    "POST /envelopes",
    "Send an edXML envelope that was built elsewhere",
    text="The body is the envelope. The node rewrites and signs an unsigned one, and warns "
    "(`envelope-left-out`) of parts that its own envelope has no place for; one that is signed with a "
    "key bound to the agency's code is sent unchanged. An unsigned envelope may also update or "
    "replace a sent document, which it names by its DocumentId or by its original `callback_data`; to "
    "recall a document, use the call for recalls.",
    body=Body.RAW,
    takes="application/xml",
    fails=(404,),
)
async def create_from_envelope(call: Call, query: EnvelopeQuery) -> web.Response:
    parsing.need_type(call.request, *_MEDIA)
    async with receive_files(call.deps.out) as files:
        body = parsing.streamed_body(call.request, call.deps.options.upload_s)
        envelope = await ready_envelope.take(
            call.deps.out, call.scope(), files, body, query.into(ready_envelope.EnvelopeExtras)
        )
        facts = query.model_dump(mode="json") | {"envelope": envelope.digest}
        call = replace(call, canonical=json.dumps(facts, sort_keys=True, separators=(",", ":")))
        rendering = Rendering(call)
        accepted = await accept(
            call.deps.out, call.scope(), envelope.order, files, rendering.once(), envelope.signed
        )
    return rendering.answer(accepted)


def order_of(message: MessageIn) -> Order:
    return Order(
        draft=message.to_draft(),
        send=message.send,
        confirm=tuple(message.confirm),
        wait=timedelta(seconds=message.undo_seconds),
    )


async def _load_parent(call: Call) -> OutgoingDocument:
    """Load the document that is changed, in the version that the caller saw."""
    async with call.deps.store.read(call.scope()) as work:
        parent = await work.outgoing.get(call.path("id"))
    call.check_version(parent.version)
    return parent


class Rendering:
    """Answer to one call: the stored answer for repeats is the answer given."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._body = ""

    def once(self) -> Once:
        call = self._call
        return Once(
            owner=call.caller.key.principal.id,
            key=call.idempotency_key(),
            method=call.request.method,
            path=call.request.path,
            meta=call.canonical,
            render=self._render,
        )

    def answer(self, accepted: Accepted) -> web.Response:
        call = self._call
        if accepted.replayed is not None:
            status, body = accepted.replayed
            call.headers["Idempotency-Replayed"] = "true"
            call.headers["Location"] = json.loads(body)["links"]["self"]
            return call.tell_text(body, status=status)
        document = document_of(accepted)
        if accepted.repeats:
            call.headers["Idempotency-Replayed"] = "true"
        call.headers["Location"] = f"{BASE}/messages/{document.id}"
        return call.tell_text(self._body, status=202, version=document.version)

    def _render(self, accepted: Accepted) -> tuple[int, str]:
        self._body = render(accepted, self._call.lang, normalized=self._call.normalized)
        return 202, self._body


def render(accepted: Accepted, lang: Lang, *, normalized: bool) -> str:
    """Render the body of a 202, which is also stored for repeats."""
    view = message_view.message(
        document_of(accepted), accepted.deliveries, lang, warnings=accepted.warnings, normalized=normalized
    )
    return view.model_dump_json(by_alias=True)


def document_of(accepted: Accepted) -> OutgoingDocument:
    if accepted.document is None:
        raise NotFound("the first answer is there, its document is not")
    return accepted.document


@_act(
    "POST /messages/{id}/send",
    "Send a draft; it is checked again",
    text="What was acceptable when the draft was stored may be refused now: the registry, the rules "
    "and the date have gone on.",
    fails=(409,),
)
async def send_draft(call: Call, body: SendIn) -> Message:
    document = await manage.send_draft(
        *call.outgoing,
        expect_version=call.expected_version(),
        confirm=tuple(body.confirm),
        wait=timedelta(seconds=body.undo_seconds),
    )
    return await _versioned_view(call, document)


@_act(
    "DELETE /messages/{id}",
    "Discard a draft; its files are deleted, and it stays as cancelled",
    text="Only a draft: a document that waits to leave is cancelled, and one that has left is recalled.",
    fails=(409,),
)
async def delete_draft(call: Call) -> Message:
    document = await manage.discard_draft(*call.outgoing, expect_version=call.expected_version())
    return await _versioned_view(call, document)


@_act(
    "POST /messages/{id}/cancel",
    "Cancel a document before it leaves",
    text="Until the document is handed to the axis: while `undo_until` is in the future, while it "
    "waits for a route, or after sending has failed. Later 409 `GW-ALREADY-SENT`: recall it.",
    asks=NothingIn,
    fails=(409,),
)
async def cancel_message(call: Call) -> Message:
    document = await manage.cancel(*call.outgoing, expect_version=call.expected_version())
    return await _versioned_view(call, document)


@_act(
    "POST /messages/{id}/resend",
    "Send the same packet again, to the named recipients or to all to whom sending failed",
    text="The same signed packet under the same id, so that a recipient that has it already answers as "
    "it did and takes it in only once.",
    fails=(409,),
    sample=routes.sample_resending,
)
async def resend_message(call: Call, body: ResendIn) -> Message:
    async with call.deps.store.read(call.scope()) as work:
        call.check_version((await work.outgoing.get(call.path("id"))).version)
    document = await manage.resend(*call.outgoing, body.recipients)
    return await _versioned_view(call, document)


@_add(
    "POST /messages/{id}/recipients",
    "Send a document that has left to more agencies",
    text="The same number, date and files are sent only to these recipients, as a separate message; "
    "earlier recipients are not notified. A recipient who already has the document is refused "
    "(`number-taken`).",
    changes=True,
    sample=routes.sample_further,
)
async def add_recipients(call: Call, body: FurtherIn) -> web.Response:
    await _load_parent(call)
    rendering = Rendering(call)
    accepted = await send_to_more(*call.outgoing, body.to_recipients(), tuple(body.confirm), rendering.once())
    return rendering.answer(accepted)


@ACT_ROUTES(
    "POST /messages/{id}/recall",
    "Ask every recipient to cancel the document",
    text="`form: notice` sends a recall notice (packet type 1) and needs `approved_by` and `notice_no`; "
    "`take_back` sends the bare status 13. The answer is 409 while an earlier request is open.",
    creates=True,
    changes=True,
    answer=Message,
    sample=routes.sample_recall,
)
async def recall_message(call: Call, body: RecallIn) -> web.Response:

    async def act() -> str:
        document = await ask_recall(
            *call.outgoing,
            reason=body.reason,
            approved_by=body.approved_by,
            notice_no=body.notice_no,
            take_back=body.form == "take_back",
            recipients=body.recipients,
            expect_version=call.expected_version(),
        )
        return (await present(call, document)).model_dump_json(by_alias=True)

    return await once(call, act)


async def _versioned_view(call: Call, document: OutgoingDocument) -> Message:
    return call.versioned(await present(call, document), document.version)


class ReadOut(ResponseModel):
    """Fields read from a PDF."""

    name: str
    size: int
    complete: bool = Field(description="Every field that a message needs was found and is sure")
    fields: FieldsOut
    recipients: list[OfferOut]
    signatures: str | None = Field(
        description="Verdict on the signatures: valid, invalid, unknown or unsigned"
    )


@READ_ROUTES(
    "POST /messages:read",
    "Read the fields of a signed PDF, for a person to confirm; nothing is stored",
    text="One part, `lead`. A person must check each field that is not `sure`: see `why`.",
    body=Body.FILE,
)
async def read_document(call: Call) -> ReadOut:
    async with receive_files(call.deps.out) as files:
        await read_file(call.request, files, call.deps.options)
        reading = await read_fields(call.deps.out, call.deps.directory, call.scope(), files)
    return ReadOut.from_object(
        reading,
        complete=is_complete(reading.fields),
        fields=pdf_view.fields(reading.fields, call.lang),
        recipients=[pdf_view.offer(o, call.lang) for o in reading.offers],
        signatures=reading.verdict.verdict if reading.verdict else None,
    )
