"""Acts on an outgoing document that is there: send a draft, cancel, send again, recall. In: a call without files. Out: the
document as it now is. Each honours If-Match; a recall creates a packet and so needs an Idempotency-Key too."""

from __future__ import annotations

from aiohttp import web

from gateway.api import message_view, samples
from gateway.api.call import Call
from gateway.api.message_view import Message
from gateway.api.models import NothingIn, RecallIn, ResendIn, SendIn
from gateway.api.once import once
from gateway.api.routes import BASE, Body, Route
from gateway.domain.account import ApiScope
from gateway.domain.document import OutgoingDocument
from gateway.outgoing import manage
from gateway.outgoing.recall import recall as ask_recall


async def send(call: Call) -> web.Response:
    document = await manage.send_draft(
        call.deps.out,
        call.scope(),
        call.path("id"),
        expect_version=call.expected_version(),
        confirm=tuple(call.body_of(SendIn).confirm),
    )
    return await _told(call, document)


async def cancel(call: Call) -> web.Response:
    document = await manage.cancel(
        call.deps.out, call.scope(), call.path("id"), expect_version=call.expected_version()
    )
    return await _told(call, document)


async def delete_draft(call: Call) -> web.Response:
    document = await manage.discard_draft(
        call.deps.out, call.scope(), call.path("id"), expect_version=call.expected_version()
    )
    return await _told(call, document)


async def resend(call: Call) -> web.Response:
    wanted = call.body_of(ResendIn).recipients
    async with call.deps.store.read(call.scope()) as work:
        call.check_version((await work.outgoing.get(call.path("id"))).version)
    document = await manage.resend(call.deps.out, call.scope(), call.path("id"), wanted)
    return await _told(call, document)


async def recall(call: Call) -> web.Response:
    asked = call.body_of(RecallIn)

    async def act() -> str:
        document = await ask_recall(
            call.deps.out,
            call.scope(),
            call.path("id"),
            reason=asked.reason,
            approved_by=asked.approved_by,
            notice_no=asked.notice_no,
            take_back=asked.form == "take_back",
            recipients=asked.recipients,
            expect_version=call.expected_version(),
        )
        return (await _view(call, document)).model_dump_json(by_alias=True)

    return await once(call, act)


async def _told(call: Call, document: OutgoingDocument) -> web.Response:
    return call.tell(await _view(call, document), version=document.version)


async def _view(call: Call, document: OutgoingDocument) -> Message:
    async with call.deps.store.read(call.scope()) as work:
        deliveries = await work.deliveries.of(document.id)
    return message_view.message(document, deliveries, call.lang, normalized=call.normalized)


SEND = (ApiScope.MESSAGES_SEND,)

ROUTES = (
    Route(
        method="POST",
        path=f"{BASE}/messages/{{id}}/send",
        name="sendDraft",
        tag="messages",
        handler=send,
        summary="Send a draft; it is checked anew",
        scopes=SEND,
        changes=True,
        body=Body.JSON,
        asks=SendIn,
        answer=Message,
        fails=(404, 409, 412, 422),
        headers=("ETag",),
    ),
    Route(
        method="DELETE",
        path=f"{BASE}/messages/{{id}}",
        name="deleteDraft",
        tag="messages",
        handler=delete_draft,
        summary="Let go of a draft; its files are dropped, and it is kept as cancelled",
        scopes=SEND,
        changes=True,
        answer=Message,
        fails=(404, 409, 412),
        headers=("ETag",),
    ),
    Route(
        method="POST",
        path=f"{BASE}/messages/{{id}}/cancel",
        name="cancelMessage",
        tag="messages",
        handler=cancel,
        summary="Stop it before it leaves",
        scopes=SEND,
        changes=True,
        body=Body.JSON,
        asks=NothingIn,
        answer=Message,
        fails=(404, 409, 412),
        headers=("ETag",),
    ),
    Route(
        method="POST",
        path=f"{BASE}/messages/{{id}}/resend",
        name="resendMessage",
        tag="messages",
        handler=resend,
        summary="Send the same packet again, to those named or to all whose sending failed",
        scopes=SEND,
        changes=True,
        body=Body.JSON,
        asks=ResendIn,
        answer=Message,
        fails=(400, 404, 409, 412),
        sample=samples.resending,
        headers=("ETag",),
    ),
    Route(
        method="POST",
        path=f"{BASE}/messages/{{id}}/recall",
        name="recallMessage",
        tag="messages",
        handler=recall,
        summary="Ask every recipient to cancel the document",
        text="`form: notice` sends a recall notice (packet type 1) and needs `approved_by` and `notice_no`; "
        "`take_back` sends the bare status 13. 409 while an earlier request is open.",
        scopes=SEND,
        creates=True,
        changes=True,
        body=Body.JSON,
        asks=RecallIn,
        answer=Message,
        status=202,
        fails=(400, 404, 409, 412, 422),
        sample=samples.recall,
    ),
)
