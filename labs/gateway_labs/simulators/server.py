"""Common parts of all simulators' servers: answers as they are on the wire, a file streamed into JSON as one base64 string,
the effect of each fault on a call, a page that shows the packets, and the server itself. In: calls. Out: answers."""

from __future__ import annotations

import asyncio
import base64
import codecs
import json
import random
import signal
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import web

from gateway.domain.wall_clock import VIETNAM
from gateway_labs.simulators.hub import Hub
from gateway_labs.simulators.settings import Faults

T = TypeVar("T")
_PIECE = 3 * 64 * 1024  # a multiple of three: pieces of base64 join without padding
_HTML = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"


class Cut(Exception):
    """Signal to break off the connection."""


async def in_thread(work: Callable[[], T]) -> T:
    return await asyncio.to_thread(work)


async def stream_to_disk(pieces: AsyncIterator[bytes], hub: Hub) -> Path:
    """Stream a body to disk."""
    draft = hub.draft()
    file = await in_thread(lambda: draft.open("xb"))
    try:
        async for piece in pieces:
            await in_thread(lambda piece=piece: file.write(piece))  # type: ignore[misc]
    finally:
        await in_thread(file.close)
    return draft


def body(request: web.Request) -> AsyncIterator[bytes]:
    return request.content.iter_chunked(256 * 1024)


def answer_without_effect(fault: str) -> web.Response | None:
    """Return the answer of a call that has no effect."""
    if fault == "error500":
        return web.json_response({"message": "Internal Server Error"}, status=500)
    if fault == "html":
        return web.Response(text=_HTML, status=502, content_type="text/html")
    if fault in ("unauthorized", "expired"):
        return web.json_response({"message": "Unauthorized"}, status=401)
    return None


async def send_answer(
    request: web.Request, fault: str, pieces: AsyncIterator[bytes], status: int = 200
) -> web.StreamResponse:
    """Send the pieces; `lost` sends none of them, `half` the first half of all."""
    if fault == "lost":
        raise Cut
    response = web.StreamResponse(status=status, headers={"Content-Type": "application/json; charset=utf-8"})
    response.enable_chunked_encoding()
    await response.prepare(request)
    if fault == "half":
        body_bytes = b"".join([piece async for piece in pieces])
        await response.write(body_bytes[: len(body_bytes) // 2])
        raise Cut
    async for piece in pieces:
        if piece:
            await response.write(piece)
    await response.write_eof()
    return response


async def as_json(answer: dict[str, Any]) -> AsyncIterator[bytes]:
    """Write JSON in ASCII, for libraries that read no other."""
    yield json.dumps(answer).encode()


async def with_list(head: str, rows: Iterable[dict[str, Any]], tail: str) -> AsyncIterator[bytes]:
    """Yield `head`, the rows with commas between, `tail`."""
    yield head.encode()
    ready: list[str] = []
    first = True
    for row in rows:
        ready.append(("" if first else ",") + json.dumps(row, ensure_ascii=False))
        first = False
        if len(ready) >= 500:
            yield "".join(ready).encode()
            ready.clear()
    yield "".join(ready).encode() + tail.encode()


async def with_text(head: str, path: Path, tail: str, *, damaged: bool = False) -> AsyncIterator[bytes]:
    """Yield the file, which is text, as one JSON string between `head` and `tail`."""
    yield head.encode()
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    file = await in_thread(lambda: path.open("rb"))
    try:
        while piece := await in_thread(lambda: file.read(_PIECE)):
            text = decoder.decode(piece)
            if damaged:
                yield json.dumps(text[: len(text) // 2])[1:-1].encode()
                break
            yield json.dumps(text, ensure_ascii=False)[1:-1].encode()
    finally:
        file.close()
    yield tail.encode()


async def with_file(head: str, path: Path, tail: str, *, damaged: bool = False) -> AsyncIterator[bytes]:
    """Yield the file as one base64 string between `head` and `tail`."""
    yield head.encode()
    file = await in_thread(lambda: path.open("rb"))
    try:
        while piece := await in_thread(lambda: file.read(_PIECE)):
            if damaged:
                piece, damaged = piece[: len(piece) // 2], False
                yield base64.b64encode(piece)[:-1]
                break
            yield base64.b64encode(piece)
    finally:
        file.close()
    yield tail.encode()


def clock(at: datetime) -> str:
    """Format a time as lists have it."""
    return f"{at.astimezone(VIETNAM):%Y/%m/%d %H:%M:%S}"


def shuffled(rows: list[T], fault: str) -> list[T]:
    if fault == "duplicate":
        return [row for row in rows for _ in range(2)]
    if fault == "reorder":
        rows = list(rows)
        random.Random(len(rows)).shuffle(rows)  # noqa: S311 - any order will do
    return rows


@web.middleware
async def cutting(request: web.Request, handler: Callable[..., Any]) -> web.StreamResponse:
    try:
        answer: web.StreamResponse = await handler(request)
    except (Cut, ConnectionResetError):  # on purpose, or because the caller went away
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=500)
    return answer


def add_pages(app: web.Application, hub: Hub, faults: Faults, title: str) -> None:
    async def page(_: web.Request) -> web.Response:
        rows = await in_thread(hub.summary)
        cells = "".join(
            "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows
        )
        text = (
            f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)}</title>"
            f"<h1>{escape(title)}</h1><p>Faults so far: {escape(json.dumps(dict(faults.done)))}</p>"
            "<table border=1><tr><th>id<th>type<th>from<th>to<th>status<th>sent<th>fetched</tr>"
            f"{cells}</table></html>"
        )
        return web.Response(text=text, content_type="text/html")

    async def show_faults(_: web.Request) -> web.Response:
        options = faults.options
        now = {name: getattr(options, name) for name in type(options).__slots__}
        return web.json_response({"options": now, "done": dict(faults.done)})

    async def change(request: web.Request) -> web.Response:
        try:
            faults.change(await request.json())
        except (ValueError, TypeError, AttributeError) as why:
            return web.json_response({"error": str(why)}, status=400)
        return await show_faults(request)

    app.router.add_get("/", page)
    app.router.add_get("/_faults", show_faults)
    app.router.add_post("/_faults", change)


async def serve(app: web.Application, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; `ready` gets the address once it answers."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with RunningServer(app, host, port) as address:
        ready(address)
        await stop.wait()


class RunningServer:
    """An open server; entering it gives its address."""

    def __init__(self, app: web.Application, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._runner = web.AppRunner(
            app, access_log=None, max_field_size=64 * 1024, max_line_size=64 * 1024, shutdown_timeout=1.0
        )

    async def __aenter__(self) -> str:
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        await site.start()
        port = self._runner.addresses[0][1]
        return f"http://{self._host}:{port}"

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
