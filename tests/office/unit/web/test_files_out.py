"""Headers and bytes of files for a browser: only a PDF is shown, no file is run or framed by others, whatever its name; and
a file that breaks off."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.api.downloads import disposition
from gateway.errors import AlteredContent
from gateway_office.web import answers
from gateway_office.web.answers import FileContent, file_headers
from tests.support.cases import Cases

HOSTILE = (
    'a".pdf; filename="b.html',
    "a\r\nSet-Cookie: x=1.pdf",
    "văn bản mật.pdf",
    "../../etc/passwd",
    "\u202efdp.exe",
    "",
)


async def answer_file(
    *pieces: bytes | Exception, found_type: str = "pdf", inline: bool = True, size: int | None = None
) -> tuple[Mapping[str, str], bytes]:
    """Return the headers and body that a browser gets of these pieces."""

    async def read() -> AsyncIterator[bytes]:
        for piece in pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece

    async def handle(request: web.Request) -> web.StreamResponse:
        async with aclosing(read()) as pieces:  # type: ignore[type-var]
            content = FileContent(name="van-ban.pdf", found_type=found_type, pieces=pieces, size=size)
            return await answers.give_file(request, content, inline=inline)

    app = web.Application()
    app.router.add_get("/", handle)
    async with (
        TestServer(app) as server,
        aiohttp.ClientSession() as http,
        http.get(server.make_url("/")) as answer,
    ):
        return answer.headers, await answer.read()


def test_no_name_breaks_out_of_its_header(cases: Cases) -> None:
    for name, how in itertools.product(HOSTILE, ("inline", "attachment")):
        with cases.case((name, how)):
            header = disposition(name, how)
            assert header.isascii()
            assert header.isprintable()
            assert header.count('"') == 2
            assert header.split(";")[0] == how
            assert "/" not in header.split('"')[1]


def test_a_type_that_a_browser_would_run_is_only_bytes(cases: Cases) -> None:
    def check(found_type: str) -> None:
        headers = file_headers("a", found_type)
        assert headers["Content-Type"] == "application/octet-stream"
        assert headers["Content-Disposition"].startswith("attachment;")
        assert headers["Content-Security-Policy"] == "default-src 'none'; sandbox; frame-ancestors 'none'"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"

    runnable = ("html", "text/html", "svg", "image/svg+xml", "xml", "js", "exe", "docx", "unknown", "")
    cases.check_rows(runnable, check)


async def test_a_pdf_is_shown_on_request_in_pages_of_this_node_alone() -> None:
    inline, _ = await answer_file(b"%PDF-1.7 ...")
    attached, _ = await answer_file(b"%PDF-1.7 ...", inline=False)

    policy = dict(part.strip().partition(" ")[::2] for part in inline["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'self'"
    assert "script-src" not in policy
    assert inline["Content-Disposition"].startswith("inline;")
    assert attached["Content-Disposition"].startswith("attachment;")


@pytest.mark.parametrize(("found_type", "first"), [("html", b"%PDF-1.7"), ("pdf", b"<html>")])
async def test_what_is_no_pdf_by_its_content_is_only_a_download(found_type: str, first: bytes) -> None:
    headers, body = await answer_file(first, found_type=found_type)

    assert headers["Content-Disposition"].startswith("attachment;")
    assert "sandbox" in headers["Content-Security-Policy"]
    assert body == first


@pytest.mark.parametrize("size", [None, 100_000])
async def test_a_file_that_breaks_off_is_no_whole_download(size: int | None) -> None:
    with pytest.raises(aiohttp.ClientError):
        await answer_file(b"%PDF-1.7", AlteredContent("other bytes than were taken in"), size=size)


async def test_a_file_that_is_gone_is_told_before_its_headers() -> None:
    headers_of, body = await answer_file(AlteredContent("other bytes than were taken in"))

    assert "Content-Disposition" not in headers_of
    assert b"%PDF" not in body


async def test_the_beginning_of_a_packet_says_whether_there_is_more() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"abc"
        yield b"def"

    assert await answers.beginning_of(pieces(), 4) == ("abcd", True)
    assert await answers.beginning_of(pieces(), 6) == ("abcdef", False)
