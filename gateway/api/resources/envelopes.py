"""An envelope that was built elsewhere, handed in as it is. In: the bytes of one edXML file, and in the query what the
dialect has no field for. Out: 202 once everything is durable. Without a signature the node writes and signs it; one
that the agency signed with a key bound to its code leaves byte for byte. The checks are those of every other door."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace

from aiohttp import web
from pydantic import Field

from gateway.api import asking
from gateway.api.call import Call, Words
from gateway.api.message_view import Message
from gateway.api.resources.writing import Rendering
from gateway.api.routes import Body, Routes
from gateway.api.shapes import Asked, Line
from gateway.domain.account import ApiScope
from gateway.domain.document import RecipientRole
from gateway.outgoing import brought
from gateway.outgoing.accept import accept
from gateway.outgoing.intake import tray

MEDIA = ("application/xml", "text/xml")


class EnvelopeQuery(Asked):
    """What the dialect has no field for. What the envelope's own signature says goes before it."""

    external_id: Line | None = Field(None, description="The caller's own id; unique per agency for ever")
    reply_required: bool | None = Field(
        None, description="Where absent: whether the envelope has a DueDate, the dialect's own word for it"
    )
    role: RecipientRole = Field(RecipientRole.TO_ACT, description="What its recipients are to do with it")
    category: Line | None = Field(None, description="Kind of content, as far as the sender declares it (R3)")
    callback_data: Line | None = Field(None, description="Kept and returned as is")
    confirm: Words = Field(
        default_factory=list,
        description="Codes of `confirm` of an earlier refusal, read and borne with; with commas",
    )
    send: bool = Field(True, description="`false` keeps a draft; not of an envelope that is signed")

    def to_besides(self) -> brought.Besides:
        return brought.Besides(**(self.model_dump() | {"confirm": tuple(self.confirm)}))


ROUTES = Routes("messages", ApiScope.MESSAGES_SEND)


@ROUTES(
    "POST /envelopes",
    "Send an edXML envelope that was built elsewhere",
    text="The body is the envelope. Unsigned, the node writes it anew and signs it, and warns (`envelope-left-out`) of "
    "what its own envelope has no place for; signed with a key bound to the agency's code, it leaves as it is. An "
    "unsigned one may also update or replace a document that was sent, which it names by its DocumentId or by the "
    "`callback_data` of then; a recall is made with the call of that name.",
    creates=True,
    body=Body.RAW,
    takes="application/xml",
    answer=Message,
    fails=(404, 413, 415, 422),
    headers=("ETag", "Location"),
)
async def create_from_envelope(call: Call, query: EnvelopeQuery) -> web.Response:
    asking.need_type(call.request, *MEDIA)
    async with tray(call.deps.out) as held:
        hasher = hashlib.sha256()

        async def counted() -> AsyncIterator[bytes]:
            async for chunk in asking.streamed_body(call.request, call.deps.options.upload_s):
                hasher.update(chunk)
                yield chunk

        came = await brought.take(call.deps.out, call.scope(), held, counted(), query.to_besides())
        told = query.model_dump(mode="json") | {"envelope": came.digest}
        call = replace(call, canonical=json.dumps(told, sort_keys=True, separators=(",", ":")))
        rendering = Rendering(call)
        accepted = await accept(call.deps.out, call.scope(), came.order, held, rendering.once(), came.signed)
    return rendering.answer(accepted)
