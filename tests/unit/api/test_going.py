"""The server of the API: what still comes of a call is read when the node goes, a file that breaks off is a broken
download, of requests that are not HTTP no byte reaches the log, and large answers are packed for callers that take gzip."""

from __future__ import annotations

import asyncio
import gzip as library
import json
import logging
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.api.call import download
from gateway.api.compression import LEAST, VARIES, gzip, takes_gzip
from gateway.cli.serve import listening
from gateway.errors import AlteredContent, GatewayError
from tests.support.api import Answer, Door, meta
from tests.support.cases import Cases
from tests.support.town.doors import Socket
from tests.support.waiting import within_limit


async def test_a_body_that_still_comes_when_the_node_goes_is_read_to_its_end() -> None:
    begun, going = asyncio.Event(), asyncio.Event()
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def handler(request: web.Request) -> web.Response:
        begun.set()
        return web.Response(text=f"read {len(await request.read())}")

    async def serve() -> None:
        app = web.Application()
        app.router.add_post("/", handler)
        async with listening(app, "api", "127.0.0.1", 0, 10.0) as url:
            address.set_result(url)
            await going.wait()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve())
        host, _, port = (await within_limit(address, "the start")).removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"POST / HTTP/1.1\r\nHost: node\r\nContent-Length: 4\r\n\r\nab")
        await within_limit(begun.wait(), "the handler")
        going.set()
        await within_limit(_nobody_listens(host, int(port)), "the last listener")
        writer.write(b"cd")
        answer = await within_limit(reader.read(), "the answer")
        writer.close()

    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"read 4")


async def _nobody_listens(host: str, port: int) -> None:
    """Wait until the server takes no connections; those it has are closed in the turn after that."""
    try:
        while True:
            _, writer = await asyncio.open_connection(host, port)
            writer.close()
    except ConnectionError:
        for _ in range(10):
            await asyncio.sleep(0)


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


SECRET = "gwk_must-not-be-logged"


@pytest.mark.parametrize(
    "request_bytes",
    [
        f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SECRET}\x01\r\n\r\n".encode(),
        f"GET /{SECRET} HTTP/9\r\n\r\n".encode(),
        f"{SECRET}\r\n\r\n".encode(),
        f"GET /{SECRET * 500} HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
        f"GET / HTTP/1.1\r\nHost: x\r\nX-More: {SECRET * 500}\r\n\r\n".encode(),
    ],
)
async def test_what_is_no_http_is_refused_and_its_bytes_stay_out_of_the_log(
    request_bytes: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        async with listening(web.Application(), "api", "127.0.0.1", 0, 1.0) as url:
            host, _, port = url.removeprefix("http://").partition(":")
            answer = await Socket(host=host, port=int(port)).say(request_bytes)

    head, _, body = answer.decode().partition("\r\n\r\n")
    problem = json.loads(body)
    assert " 400 " in head.splitlines()[0]
    assert "Content-Type: application/problem+json" in head
    assert f"X-Request-Id: {problem['request_id']}" in head
    formatted = "\n".join([caplog.text, *(str(r.exc_info) for r in caplog.records)])
    assert SECRET not in formatted + head + body
    assert "a request was not HTTP" in formatted
    assert problem["request_id"] in [getattr(r, "request_id", "") for r in caplog.records]


PLAIN, GZIP = {"Accept-Encoding": "identity"}, {"Accept-Encoding": "gzip"}


async def fetch(door: Door, path: str, headers: dict[str, str], method: str = "GET") -> Answer:
    """Return an answer with its body unpacked by the client and its headers unchanged."""
    return await door.ask(method, path, headers=headers)


async def test_a_large_answer_is_packed_for_who_takes_it_and_is_the_same(door: Door, cases: Cases) -> None:
    for n in range(3):
        assert (await door.send(meta(number=str(15 + n)), once=str(n))).status == 202
    for path in ("/messages", "/openapi.json", "/codes", "/docs"):
        with cases.case(path):
            plain, packed = await fetch(door, path, PLAIN), await fetch(door, path, GZIP)
            assert "Content-Encoding" not in plain.headers
            assert packed.headers["Content-Encoding"] == "gzip"
            assert plain.headers["Vary"] == packed.headers["Vary"] == VARIES
            assert packed.headers["Content-Type"] == plain.headers["Content-Type"]
            assert packed.raw == plain.raw
            assert int(packed.headers["Content-Length"]) < len(plain.raw) // 2


async def test_head_says_what_get_would_say(door: Door) -> None:
    for headers in (PLAIN, GZIP):
        get, head = (await fetch(door, "/codes", headers), await fetch(door, "/codes", headers, "HEAD"))
        assert (head.status, head.raw) == (200, b"")
        for name in ("Content-Encoding", "Content-Length", "Content-Type", "Vary"):
            assert head.headers.get(name) == get.headers.get(name)
    assert int(head.headers["Content-Length"]) < LEAST * 10


async def test_what_is_small_versioned_or_refused_stays_as_it_is(door: Door) -> None:
    sent = await door.send()
    for answer in (
        await fetch(door, "/limits", GZIP),
        await fetch(door, f"/messages/{sent.json['id']}", GZIP),
        await fetch(door, f"/messages/{sent.json['id']}/files/1", GZIP),
        await fetch(door, "/messages?limit=no", GZIP),
        sent,
    ):
        assert "Content-Encoding" not in answer.headers, answer.headers


def test_how_long_a_packed_answer_is_does_not_say_what_stands_in_it() -> None:
    """An observer of the line would learn by the length whether two senders use the same word."""
    bodies = [b"TO: Z91, SUBJECT: %c%s" % (65 + n, b" of the province" * 20) for n in range(26)]

    lengths = [len(gzip(body)) for body in bodies]

    assert len(set(lengths)) > 10
    assert [len(gzip(body)) for body in bodies] == lengths
    assert [library.decompress(gzip(body)) for body in bodies] == bodies


def test_who_takes_gzip(cases: Cases) -> None:
    for accepted, takes in {
        "gzip": True,
        "GZIP, br": True,
        "br;q=1.0, gzip;q=0.5": True,
        "*": True,
        "gzip;q=0": False,
        "gzip; q=0.000": False,
        "*;q=0": False,
        "*, gzip;q=0": False,
        "identity": False,
        "br, deflate": False,
        "": False,
        ";;,,q=": False,
    }.items():
        with cases.case(accepted):
            assert takes_gzip(accepted) is takes
