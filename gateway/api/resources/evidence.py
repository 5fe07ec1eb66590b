"""Evidence packs for programs: everything that proves one document, in one file. In: a call for a document sent or
received. Out: a ZIP file, streamed; each call makes a pack anew and leaves an event. How to check one is in
docs/evidence.md."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from gateway.api.call import Call, download
from gateway.api.routes import Routes
from gateway.domain.account import ApiScope
from gateway.errors import NotFound
from gateway.stored_content import streamed

ROUTES = Routes("messages", ApiScope.EVIDENCE_READ)
_pack_route = partial(
    ROUTES,
    text="A ZIP file that can be checked anywhere with `gateway evidence verify`. Each call makes one and leaves an event.",
    media="application/zip",
    fails=(409,),
)


@_pack_route("GET /messages/{id}/evidence", "Everything that proves this message, in one file")
async def read_message_evidence(call: Call) -> web.StreamResponse:
    async with call.deps.store.read(call.scope()) as work:
        document = await work.outgoing.get(call.path("id"))
    return await _pack(call, document.id)


@_pack_route(
    "GET /inbox/{id}/evidence", "Everything that proves this incoming document, in one file", tag="inbox"
)
async def read_inbox_evidence(call: Call) -> web.StreamResponse:
    async with call.deps.store.read(call.scope()) as work:
        document = await work.incoming.get(call.path("id"))
    return await _pack(call, document.id)


async def _pack(call: Call, id: str) -> web.StreamResponse:
    if call.deps.evidence is None:
        raise NotFound("this process makes no evidence packs", hint="ask the node that gateway serve runs")
    made = await call.deps.evidence.make(call.scope(), id)
    return await download(
        call,
        name=made.name,
        content_type="application/zip",
        size=made.size,
        sha256=None,
        pieces=streamed(call.deps.pool, made.pieces()),
    )
