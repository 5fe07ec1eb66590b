"""Answers of the dialect, made while they are sent: a list of any length, a file as one base64 string. In: rows or bytes as
they come. Out: the response; memory never holds it whole. A failure before the first byte is an ordinary answer; a later
one breaks the connection, for half an answer must not look whole."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from aiohttp import web

from gateway.api import downloads
from gateway.stored_content import OpenFile
from gateway_foreign.vxp import wire

_ROWS_AT_ONCE = 200


def success(**more: object) -> web.Response:
    """Answer that it is done, with further values."""
    return web.Response(text=json.dumps({**wire.DONE_WELL, **more}), content_type="application/json")


async def send_list(
    request: web.Request, rows: AsyncIterator[Mapping[str, Any]]
) -> web.StreamResponse:  # Any: JSON
    async def pieces() -> AsyncIterator[bytes]:
        ready, lead = list[str](), f"{wire.BEFORE_DATA}["
        async for row in rows:
            ready.append(json.dumps(row, ensure_ascii=False))
            if len(ready) >= _ROWS_AT_ONCE:
                yield (lead + ",".join(ready)).encode("utf-8", "replace")
                ready, lead = [], ","
        yield ((lead if ready or lead != "," else "") + ",".join(ready) + "]}").encode("utf-8", "replace")

    return await _send(request, pieces(), None)


async def send_file(request: web.Request, file: OpenFile) -> web.StreamResponse:
    head, tail = f'{wire.BEFORE_DATA}"'.encode(), b'"}'

    async def pieces() -> AsyncIterator[bytes]:
        lead, tail_bytes = head, b""
        async for piece in file.pieces:
            joined = tail_bytes + piece
            whole_length = len(joined) - len(joined) % 3  # pieces of base64 join without padding
            tail_bytes = joined[whole_length:]
            yield lead + base64.b64encode(memoryview(joined)[:whole_length])
            lead = b""
        yield lead + base64.b64encode(tail_bytes) + tail

    return await _send(request, pieces(), len(head) + 4 * ((file.size + 2) // 3) + len(tail))


async def _send(request: web.Request, pieces: AsyncIterator[bytes], size: int | None) -> web.StreamResponse:
    first = await anext(pieces, b"")
    response = web.StreamResponse(headers={"Content-Type": "application/json; charset=utf-8"})
    if size is not None:
        response.content_length = size
    return await downloads.send_pieces(request, response, first, pieces, "vxp")
