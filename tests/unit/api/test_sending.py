"""A file that breaks off on its way is a broken download for the caller, never a whole one with an error inside."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.api.call import download
from gateway.errors import AlteredContent, GatewayError


@web.middleware
async def guarded(request: web.Request, handler: Any) -> web.StreamResponse:
    """Answer errors as the API does."""
    try:
        answer: web.StreamResponse = await handler(request)
        return answer
    except GatewayError:
        return web.Response(status=500, text="{}")


async def answer_pieces(*pieces: bytes | Exception, size: int | None) -> tuple[int, bytes]:
    async def read() -> AsyncIterator[bytes]:
        for piece in pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece

    async def handle(request: web.Request) -> web.StreamResponse:
        call: Any = SimpleNamespace(request=request)  # of a call, its request alone is used
        return await download(
            call, name="van-ban.pdf", content_type="application/pdf", size=size, sha256=None, pieces=read()
        )

    app = web.Application(middlewares=[guarded])
    app.router.add_get("/", handle)
    async with (
        TestServer(app) as server,
        aiohttp.ClientSession() as http,
        http.get(server.make_url("/")) as answer,
    ):
        return answer.status, await answer.read()


async def test_a_file_that_breaks_off_is_no_whole_download() -> None:
    altered = AlteredContent("other bytes than were taken in")
    for size in (None, 12, 100_000):
        with pytest.raises(aiohttp.ClientError):
            await answer_pieces(b"%PDF-1.7", altered, size=size)
    assert await answer_pieces(altered, size=8) == (500, b"{}")  # before its headers
    assert await answer_pieces(b"%PDF", b"-1.7", size=8) == (200, b"%PDF-1.7")
