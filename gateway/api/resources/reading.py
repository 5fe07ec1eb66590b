"""Signed PDFs read for a form: number, symbol, date, type, abstract, signer, pages and time of signing, each with how sure
it is, and the recipients with the codes that they may be. In: a multipart call with one PDF, streamed into the tray.
Out: what was read; nothing is stored."""

from __future__ import annotations

from aiohttp import web
from pydantic import Field

from gateway.api import reading_view
from gateway.api.call import Call
from gateway.api.multipart import read_file
from gateway.api.reading_view import FieldsOut, OfferOut
from gateway.api.routes import BASE, Body, Route
from gateway.api.shapes import Told
from gateway.domain.account import ApiScope
from gateway.outgoing.intake import tray
from gateway.outgoing.reading import read_document
from gateway.policy.pdf_fields import is_complete


class ReadOut(Told):
    """What a PDF says of itself."""

    name: str
    size: int
    complete: bool = Field(description="Every field that a message needs was found and is sure")
    fields: FieldsOut
    recipients: list[OfferOut]
    signatures: str | None = Field(description="The verdict on them: valid, invalid, unknown or unsigned")


async def read(call: Call) -> web.Response:
    async with tray(call.deps.out) as held:
        await read_file(call.request, held, call.deps.options)
        found = await read_document(call.deps.out, call.deps.directory, call.scope(), held)
    told = ReadOut(
        name=found.name,
        size=found.size,
        complete=is_complete(found.fields),
        fields=reading_view.fields(found.fields, call.lang),
        recipients=[reading_view.offer(each, call.lang) for each in found.offers],
        signatures=found.verdict.verdict if found.verdict else None,
    )
    return call.tell(told)


ROUTES = (
    Route(
        method="POST",
        path=f"{BASE}/messages:read",
        name="readDocument",
        tag="messages",
        handler=read,
        summary="The fields of a signed PDF, to be confirmed by a person; nothing stored",
        text="One part, `lead`. A field that is not `sure` must be looked at: see `why`.",
        scopes=(ApiScope.MESSAGES_SEND,),
        body=Body.FILE,
        answer=ReadOut,
        fails=(400, 413, 415, 422),
    ),
)
