"""A slow line between a browser and a site: the page itself comes piece by piece, and each piece is painted before the next
one leaves, however fast the machine is. Everything else passes unchanged."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Page
from yarl import URL

# The second of two frames begins when the first was laid out and painted.
_PAINTED = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))"
# What is said for one hop, and of a body that is packed.
_OF_THE_HOP = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "content-length", "content-encoding", "accept-encoding"}
)


@dataclass(frozen=True, kw_only=True)
class Coming:
    """A page whose headers have left, and what its body will be."""

    answer: web.StreamResponse
    body: bytes
    is_complete: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, kw_only=True)
class SlowLine:
    behind: str
    http: aiohttp.ClientSession = field(repr=False)
    pages: asyncio.Queue[Coming] = field(default_factory=asyncio.Queue, repr=False)

    async def bring(self, page: Page, address: str, piece: int) -> None:
        """Load the page in pieces of so many bytes, and have it painted after each piece."""
        async with asyncio.TaskGroup() as both:
            both.create_task(page.goto(address, wait_until="commit"))
            coming = await self.pages.get()
            await coming.answer.write(coming.body[:piece])
        for at in range(piece, len(coming.body), piece):
            await page.evaluate(_PAINTED)
            await coming.answer.write(coming.body[at : at + piece])
        await page.evaluate(_PAINTED)
        coming.is_complete.set()
        await page.wait_for_load_state("load")

    async def pass_on(self, request: web.Request) -> web.StreamResponse:
        forwarded = {
            name: value for name, value in request.headers.items() if name.lower() not in _OF_THE_HOP
        }
        async with self.http.request(
            request.method,
            URL(self.behind + request.raw_path, encoded=True),
            headers=forwarded,
            data=await request.read(),
            allow_redirects=False,
        ) as upstream:
            answer = web.StreamResponse(status=upstream.status)
            answer.headers.extend(
                [(name, value) for name, value in upstream.headers.items() if name.lower() not in _OF_THE_HOP]
            )
            await answer.prepare(request)
            if request.headers.get("Sec-Fetch-Dest") == "document":
                coming = Coming(answer=answer, body=await upstream.read())
                self.pages.put_nowait(coming)
                await coming.is_complete.wait()
            else:
                async for some in upstream.content.iter_any():
                    await answer.write(some)
            return answer


@asynccontextmanager
async def slow_line(to: str) -> AsyncIterator[tuple[SlowLine, str]]:
    """Open the line to that site; yield it with the address of its near end."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        line, app = SlowLine(behind=to, http=http), web.Application()
        app.router.add_route("*", "/{tail:.*}", line.pass_on)
        server = TestServer(app, host="127.0.0.1")
        await server.start_server()
        try:
            yield line, str(server.make_url("")).rstrip("/")
        finally:
            await server.close()
