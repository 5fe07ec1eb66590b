"""Requests that two readers may take for different ones (threats.md 86) go as raw bytes into the node's own door: each
is refused and the connection closed, so that nothing behind it is ever read as a request of its own."""

from __future__ import annotations

import re

from tests.support.cases import Cases
from tests.support.town.doors import Socket

HIDDEN = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
HEAD = b"POST /api/v1/messages HTTP/1.1\r\nHost: x\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
PLAIN = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"

REFUSED = {
    "length-and-chunks": HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks-and-length": HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two-codings": HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "chunked-twice": HEAD + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "gzip-and-chunked": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "unknown-coding": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "coding-behind-a-tab": HEAD + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    "chunks-of-1.0": b"POST /x HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two-lengths": HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    "one-length-twice": HEAD + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nabcde",
    "list-of-lengths": HEAD + b"Content-Length: 5, 5\r\n\r\nabcde",
    "length-with-plus": HEAD + b"Content-Length: +5\r\n\r\nabcde",
    "length-below-zero": HEAD + b"Content-Length: -5\r\n\r\nabcde",
    "length-in-hex": HEAD + b"Content-Length: 0x5\r\n\r\nabcde",
    "length-with-underscore": HEAD + b"Content-Length: 1_0\r\n\r\nabcde",
    "length-without-end": HEAD + b"Content-Length: 99999999999999999999999\r\n\r\nabcde",
    "folded-header": PLAIN + b"X-A: 1\r\n folded\r\n\r\n",
    "bare-line-feeds": b"GET /healthz HTTP/1.1\nHost: x\n\n",
    "one-bare-line-feed": b"GET /healthz HTTP/1.1\r\nHost: x\nX-A: 1\r\n\r\n",
    "bare-carriage-return": PLAIN + b"X-A: a\rb\r\n\r\n",
    "zero-byte-in-header": PLAIN + b"X-A: a\x00b\r\n\r\n",
    "zero-byte-in-address": b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
    "blank-before-colon": HEAD + b"Content-Length : 5\r\n\r\nabcde",
    "header-without-name": PLAIN + b": x\r\n\r\n",
    "two-hosts": b"GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    "no-host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "host-in-the-address": b"GET http://y/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "another-server-asked-for": b"CONNECT y:443 HTTP/1.1\r\nHost: y:443\r\n\r\n",
    "version-2": b"GET /healthz HTTP/2.0\r\nHost: x\r\n\r\n",
    "preface-of-2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "chunk-below-zero": CHUNKED + b"-5\r\nabcde\r\n0\r\n\r\n",
    "chunk-too-large": CHUNKED + b"FFFFFFFFFFFFFFFFF\r\nabcde\r\n0\r\n\r\n",
    "chunk-size-with-0x": CHUNKED + b"0x5\r\nabcde\r\n0\r\n\r\n",
    "chunk-with-bare-line-feed": CHUNKED + b"5\nabcde\n0\n\n",
    "chunk-longer-than-said": CHUNKED + b"5\r\nabcdeXX0\r\n\r\n",
    "header-of-20-kB": PLAIN + b"X-A: " + b"a" * 20_000 + b"\r\n\r\n",
    "address-of-20-kB": b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "500-headers": PLAIN + b"X-A: a\r\n" * 500 + b"\r\n",
}


def statuses(answer: bytes) -> list[bytes]:
    """Return the status of each answer on the connection."""
    return re.findall(rb"HTTP/\d\.\d (\d{3}) ", answer)


async def test_threat_086_what_two_readers_may_read_differently_is_refused_and_ends_the_connection(
    socket: Socket, cases: Cases
) -> None:
    """The answer to what is no request names no software and no cause."""
    for name, raw in REFUSED.items():
        with cases.case(name):
            answer = await socket.say(raw + HIDDEN)
            assert statuses(answer) == [b"400"]
            assert b'"checks"' not in answer
            assert b"Server: gateway\r\n" in answer
            assert b"aiohttp" not in answer
            assert b"Python" not in answer
            assert b"X-Content-Type-Options: nosniff\r\n" in answer


async def test_threat_086_the_extension_of_a_chunk_is_not_kept_and_changes_no_length(socket: Socket) -> None:
    chunk = b"5;" + b"a" * 100_000 + b"\r\nabcde\r\n0\r\n\r\n"
    last = b"GET /no-such HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    head = b"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"

    answer = await socket.say(head + chunk + last)

    assert statuses(answer) == [b"404", b"404"]


async def test_threat_086_ranges_continues_and_a_bomb_under_gzip_cost_nothing(socket: Socket) -> None:
    ranges = b"Range: bytes=" + b",".join([b"0-1"] * 1900) + b"\r\n"
    answer = await socket.say(PLAIN + b"Connection: close\r\n" + ranges + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert len(answer) < 10_000

    asking = HEAD + b"Expect: 100-continue\r\n" * 2 + b"Content-Length: 2\r\nConnection: close\r\n\r\n{}"
    answer = await socket.say(asking)
    assert answer.count(b"100 Continue") <= 1
    assert b" 401 " in answer or b" 417 " in answer

    head = (
        HEAD + b"Content-Encoding: gzip\r\nContent-Type: application/json\r\nContent-Length: 20\r\n"
        b"Connection: close\r\nAuthorization: Bearer gwk_none\r\n\r\n"
    )
    answer = await socket.say(head + b"\x1f\x8b\x08" + b"\xff" * 17)
    # The key is looked at first; the body, which is not even gzip, never.
    assert b" 401 " in answer.split(b"\r\n")[0]
