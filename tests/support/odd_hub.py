"""A hub that answers what a test tells it to, for each operation, and counts its calls."""

from __future__ import annotations

import base64
import hashlib
import io
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from gateway.domain.document import Lane
from gateway.domain.identity import Digest
from gateway.edxml.build import write
from gateway.ports.axis import Parcel
from gateway_labs.simulators import server
from tests.support import envelopes
from tests.support.clock import START
from tests.support.packets import document

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
FINE = {"status": "OK", "ErrorCode": "0", "ErrorDesc": ""}


@dataclass(kw_only=True)
class OddHub:
    """`answers`, by operation; what has none is answered as if there were nothing."""

    url: str = ""
    answers: dict[str, Answer] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    request_headers: list[Mapping[str, str]] = field(default_factory=list)

    async def call(self, request: web.Request) -> web.StreamResponse:
        operation = request.match_info["operation"]
        self.calls[operation] += 1
        self.request_headers.append({name.lower(): value for name, value in request.headers.items()})
        await request.read()
        if operation in self.answers:
            return await self.answers[operation](request)
        return web.json_response(FINE | {"data": [], "DocId": f"hub-{self.calls[operation]}"})

    def lists(self, operation: str, *rows: Mapping[str, Any]) -> None:
        """Answer a list of documents; there are no statuses."""

        async def listed(request: web.Request) -> web.StreamResponse:
            is_edoc = request.headers["XroadVnpt-messagetype"] == "edoc"
            return web.json_response(FINE | {"data": list(rows) if is_edoc else []})

        self.answers[operation] = listed

    def gives(self, files: Mapping[str, bytes]) -> None:
        async def give(request: web.Request) -> web.StreamResponse:
            raw = files[request.headers["XroadVnpt-docId"]]
            return web.json_response(FINE | {"data": base64.b64encode(raw).decode()})

        self.answers["getEdoc"] = give


def fixed(text: str | bytes, status: int = 200, **headers: str) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
        return web.Response(body=raw, status=status, headers=headers)

    return answer


async def cut(request: web.Request) -> web.StreamResponse:
    """The connection ends without a word."""
    assert request.transport is not None
    request.transport.abort()
    raise web.HTTPInternalServerError


def row(doc_id: str, **more: object) -> dict[str, object]:
    return {"docId": doc_id, "from": "Z91.07", "to": "Z92", "status": "initial"} | more


def unsigned(number: str, to: tuple[str, ...] = ("Z92",), sender: str = "Z91.07", **changes: Any) -> bytes:
    """A document as another system writes it; its subject is the number's."""
    out = io.BytesIO()
    model = document(number, sender=sender, to=to, **({"subject": f"Số {number}"} | changes))
    write(model, envelopes.contents((("van-ban.pdf", b"%PDF-1.4 mau"),)), out, None, None, START)
    return out.getvalue()


def parcel_of(raw: bytes, sender: str = "Z91.07") -> Parcel:
    return Parcel(
        packet_id="p1",
        kind="document",
        sender=sender,
        lane=Lane.NORMAL,
        digest=Digest.of_bytes(hashlib.sha256(raw).digest()),
        size=len(raw),
        open=lambda: io.BytesIO(raw),
    )


@asynccontextmanager
async def odd_hub() -> AsyncIterator[OddHub]:
    hub = OddHub()
    app = web.Application(client_max_size=1 << 26)
    app.router.add_route("*", "/{operation}", hub.call)
    app.router.add_route("*", "/v1/{operation}", hub.call)
    app.router.add_route("*", "/v1/auth/{operation}", hub.call)
    async with server.RunningServer(app, "127.0.0.1", 0) as url:
        hub.url = url
        yield hub
