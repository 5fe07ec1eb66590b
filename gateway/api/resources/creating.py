"""Outgoing documents created: sent, kept as drafts, checked only, or sent as an update or a replacement of another. In: a
multipart call, streamed into the tray. Out: 202 once everything is durable, or every reason against it. A repeat
under the same Idempotency-Key gets the first answer again."""

from __future__ import annotations

import json

from aiohttp import web
from pydantic import Field

from gateway.api import message_view, samples
from gateway.api.call import Call
from gateway.api.message_view import Message, RecipientOut, WarningOut
from gateway.api.models import MessageIn, ReplaceIn, UpdateIn
from gateway.api.multipart import read_order
from gateway.api.problems import reasons_told
from gateway.api.routes import BASE, Body, Route
from gateway.api.shapes import Told
from gateway.api.vocabulary import RuleWord
from gateway.api.words import Lang
from gateway.domain.account import ApiScope
from gateway.domain.document import Kind, OutgoingDocument
from gateway.errors import NotFound
from gateway.outgoing.accept import accept, validate
from gateway.outgoing.intake import tray
from gateway.outgoing.order import Accepted, Once, Order


class ProblemItem(Told):
    """One reason against it."""

    pointer: str
    code: RuleWord
    detail: str
    suggest: str | None


class Validated(Told):
    """What sending would say; nothing was stored."""

    allowed: bool
    problems: list[ProblemItem]
    warnings: list[WarningOut]
    recipients: list[RecipientOut] = Field(description="As they would be addressed today")


async def create(call: Call) -> web.Response:
    async with tray(call.deps.out) as held:
        asked = await read_order(call.request, MessageIn, held, call.deps.options)
        call = call.with_body(asked)
        order = Order(draft=asked.value.to_draft(), send=asked.value.send, confirm=tuple(asked.value.confirm))
        accepted = await accept(call.deps.out, call.scope(), order, held, _once(call))
    return _answer(call, accepted)


async def check_only(call: Call) -> web.Response:
    async with tray(call.deps.out) as held:
        asked = await read_order(call.request, MessageIn, held, call.deps.options)
        order = Order(draft=asked.value.to_draft(), send=asked.value.send, confirm=tuple(asked.value.confirm))
        draft, verdict = await validate(call.deps.out, call.scope(), order, held)
    warnings = message_view.told_warnings(verdict.warnings, call.lang)
    if asked.normalized:
        warnings.append(message_view.normal_form(call.lang))
    told = Validated(
        allowed=verdict.allowed,
        problems=[ProblemItem.model_validate(each) for each in reasons_told(verdict.reasons, call.lang)],
        warnings=warnings,
        recipients=[message_view.recipient(each, "draft", call.lang) for each in draft.recipients],
    )
    return call.tell(told)


async def update(call: Call) -> web.Response:
    return await _change(call, Kind.UPDATE, UpdateIn)


async def replacement(call: Call) -> web.Response:
    return await _change(call, Kind.REPLACEMENT, ReplaceIn)


async def _change(call: Call, kind: Kind, model: type[UpdateIn] | type[ReplaceIn]) -> web.Response:
    parent = await _parent(call)
    async with tray(call.deps.out) as held:
        asked = await read_order(call.request, model, held, call.deps.options)
        call = call.with_body(asked)
        order = Order(
            draft=asked.value.to_draft(),
            send=asked.value.send,
            kind=kind,
            parent_id=parent.id,
            change=asked.value.to_change(parent),
            confirm=tuple(asked.value.confirm),
        )
        accepted = await accept(call.deps.out, call.scope(), order, held, _once(call))
    return _answer(call, accepted)


async def _parent(call: Call) -> OutgoingDocument:
    """The document that is changed, in the version that the caller saw."""
    async with call.deps.store.read(call.scope()) as work:
        parent = await work.outgoing.get(call.path("id"))
    call.check_version(parent.version)
    return parent


def _once(call: Call) -> Once:
    return Once(
        owner=call.caller.key.principal.id,
        key=call.idempotency_key(),
        method=call.request.method,
        path=call.request.path,
        meta=call.canonical,
        render=lambda accepted: (202, render(accepted, call.lang, normalized=call.normalized)),
    )


def render(accepted: Accepted, lang: Lang, *, normalized: bool) -> str:
    """The body of a 202, as it is stored for repeats too."""
    told = message_view.message(
        known(accepted), accepted.deliveries, lang, warnings=accepted.warnings, normalized=normalized
    )
    return told.model_dump_json(by_alias=True)


def known(accepted: Accepted) -> OutgoingDocument:
    if accepted.document is None:
        raise NotFound("the first answer is there, its document is not")
    return accepted.document


def _answer(call: Call, accepted: Accepted) -> web.Response:
    if accepted.replayed is not None:
        status, body = accepted.replayed
        call.headers["Idempotency-Replayed"] = "true"
        call.headers["Location"] = json.loads(body)["links"]["self"]
        return call.tell_text(body, status=status)
    document = known(accepted)
    call.headers["Location"] = f"{BASE}/messages/{document.id}"
    body = render(accepted, call.lang, normalized=call.normalized)
    return call.tell_text(body, status=202, version=document.version)


SEND = (ApiScope.MESSAGES_SEND,)
_FAILS = (400, 409, 413, 415, 422)

ROUTES = (
    Route(
        method="POST",
        path=f"{BASE}/messages",
        name="createMessage",
        tag="messages",
        handler=create,
        summary="Send a document, or keep a draft",
        text="The part `meta` (JSON) comes first, then one part per file, named by its role or listed in `meta.files`. "
        "202 means: durable, and on its way. The example is of the agency Z91.07 of `gateway demo`.",
        scopes=SEND,
        creates=True,
        body=Body.PARTS,
        asks=MessageIn,
        answer=Message,
        status=202,
        fails=_FAILS,
        sample=samples.message,
        headers=("ETag", "Location"),
    ),
    Route(
        method="POST",
        path=f"{BASE}/messages:validate",
        name="validateMessage",
        tag="messages",
        handler=check_only,
        summary="Every check, nothing stored",
        scopes=SEND,
        body=Body.PARTS,
        asks=MessageIn,
        answer=Validated,
        fails=(400, 413, 415, 422),
        sample=samples.message,
    ),
    Route(
        method="POST",
        path=f"{BASE}/messages/{{id}}/update",
        name="updateMessage",
        tag="messages",
        handler=update,
        summary="Send an update of a sent document (packet type 2)",
        scopes=SEND,
        creates=True,
        changes=True,
        body=Body.PARTS,
        asks=UpdateIn,
        answer=Message,
        status=202,
        fails=(*_FAILS, 404, 412),
        sample=samples.update,
        headers=("ETag", "Location"),
    ),
    Route(
        method="POST",
        path=f"{BASE}/messages/{{id}}/replace",
        name="replaceMessage",
        tag="messages",
        handler=replacement,
        summary="Send a document in the place of a sent one (packet type 3)",
        scopes=SEND,
        creates=True,
        changes=True,
        body=Body.PARTS,
        asks=ReplaceIn,
        answer=Message,
        status=202,
        fails=(*_FAILS, 404, 412),
        sample=samples.replacement,
        headers=("ETag", "Location"),
    ),
)
