"""Calls to servers over HTTP, within limits. In: an address, what to send, how much of time and bytes the answer may take.
Out: the answer, read within them. No redirect is followed, no proxy of the environment used, no cookie kept; certificates
are checked; a server that drips, floods or says something else is left.

Where `may_reach` is given, the machine's address is looked at where the connection is made, after its name was resolved:
whatever a name says a moment later, and however an address is written, nothing leaves for where it may not go. A name
that nobody answers for then holds a thread of this caller's own, and nobody else's."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from gateway.errors import Misconfigured, Unreachable

if TYPE_CHECKING:  # most commands call nobody, and need not wait for the library
    import aiohttp
    from aiohttp.abc import ResolveResult
    from yarl import URL

PIECE = 256 * 1024
_CONNECT_S, _KEEP_S = 10.0, 15.0
_OK = 200


class RefusedAddress(OSError):
    """The name leads to where nothing may go."""


class TooLong(ValueError):
    """The answer is longer than its limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a call may take: bytes of its answer, and seconds from connecting to the last byte."""

    answer_bytes: int
    seconds: float


class HttpCaller:
    """Lines to servers, opened when they are first needed and kept for the next call. Close it at the end."""

    def __init__(
        self,
        answer_bytes: int,
        *,
        ca: str | Path | None = None,
        ca_beside: bool = False,
        at_once: int = 8,
        keeps_lines: bool = True,
        unpacks: bool = False,
        may_reach: Callable[[str], bool] | None = None,
    ) -> None:
        """`ca`: trusted instead of the machine's authorities, or `ca_beside` them. `keeps_lines`: else each call has a new
        connection. `unpacks`: what the server compressed; the limit is for what comes out."""
        self._answer_bytes, self._at_once = answer_bytes, at_once
        self._ca, self._ca_beside = ca, ca_beside
        self._keeps_lines, self._unpacks, self._may_reach = keeps_lines, unpacks, may_reach
        self._threads = ThreadPoolExecutor(2 * at_once, thread_name_prefix="name") if may_reach else None
        self._session: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def call(
        self,
        method: str,
        url: URL,
        *,
        headers: Mapping[str, str] | None = None,
        data: AsyncIterable[bytes] | aiohttp.FormData | bytes | None = None,
        seconds: float,
        silent_s: float | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer as soon as its head is there. `seconds` are those from connecting to the last byte, `silent_s` those
        between one byte and the next."""
        from aiohttp import ClientTimeout

        plain = {} if self._unpacks else {"Accept-Encoding": "identity"}
        async with self._opened().request(
            method,
            url,
            headers={**plain, **(headers or {})},
            data=data,
            allow_redirects=False,
            timeout=ClientTimeout(total=seconds, sock_connect=_CONNECT_S, sock_read=silent_s),
        ) as answer:
            yield answer

    async def pieces(self, answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        """The body; TooLong as soon as there is more of it than allowed."""
        read = 0
        async for piece in answer.content.iter_chunked(PIECE):
            read += len(piece)
            if read > self._answer_bytes:
                raise TooLong(f"the answer is larger than {self._answer_bytes} bytes")
            yield piece

    async def body(self, answer: aiohttp.ClientResponse) -> bytes:
        return b"".join([piece async for piece in self.pieces(answer)])

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

    def _opened(self) -> aiohttp.ClientSession:
        """Made inside of the loop that uses it."""
        if self._session is None:
            import aiohttp

            rules: dict[str, Any] = {}
            if self._may_reach is not None:
                rules = {"use_dns_cache": False, "resolver": self, "socket_factory": self._socket}
            if self._keeps_lines:
                rules["keepalive_timeout"] = _KEEP_S
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    ssl=_tls(self._ca, beside=self._ca_beside),
                    limit=self._at_once,
                    force_close=not self._keeps_lines,
                    **rules,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=self._unpacks,
                trust_env=False,
                skip_auto_headers=("Content-Type",),
            )
        return self._session

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """As the machine resolves it, in a thread of our own. The library asks its resolver by this name."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, _resolved, host, port, family)
        return [
            {
                "hostname": host,
                "host": str(where[0]),
                "port": port,
                "family": kind,
                "proto": protocol,
                "flags": socket.AI_NUMERICHOST,
            }
            for kind, _, protocol, _, where in found
        ]

    def _socket(self, found: Any) -> socket.socket:
        """For one address that is about to be connected to. Any: the library's tuple, as `getaddrinfo` gives it."""
        family, kind, protocol, _, where = found
        if self._may_reach is None or not self._may_reach(str(where[0])):
            raise RefusedAddress("the name leads into a network that may not be reached")
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        return made


def load_library() -> None:
    """Import aiohttp, which reads the machine's authorities twice meanwhile, for callers that bring no context. All of ours
    bring their own (`_tls`): the library finds no authorities here, so that a call without a context trusts nobody."""
    paths = ssl.get_default_verify_paths()
    names = (paths.openssl_cafile_env, paths.openssl_capath_env)
    kept = {name: os.environ.get(name) for name in names}
    os.environ |= dict.fromkeys(names, os.devnull)
    try:
        import aiohttp  # noqa: F401 - it stays loaded
    finally:
        for name, value in kept.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _resolved(host: str, port: int, family: int) -> list[Any]:
    return socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)


def parsed(url: str) -> SplitResult:
    """The parts of an address; Misconfigured unless it is http(s) with a host, and without a password in it."""
    try:
        where = urlsplit(url)
        named, port = where.hostname, where.port
    except ValueError as why:
        raise Misconfigured(f"{url!r} is no address of a server") from why
    if where.scheme not in ("http", "https") or not named or where.username or where.fragment or port == 0:
        raise Misconfigured(f"{url!r} is no address of a server; write it like https://host.example/path")
    return where


def _tls(ca: str | Path | None, *, beside: bool) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=None if beside else ca)
        if beside and ca is not None:
            context.load_verify_locations(ca)
    except OSError as why:
        raise Misconfigured(f"{ca} holds no certificates that can be read") from why
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpQuestion:
    """What one server is asked once: a POST where there is a body. `expects` is the media type that the answer must have,
    or one of those that servers `also` send for it."""

    url: str
    expects: str
    body: bytes | None = None
    headers: Mapping[str, str] | None = None
    also: tuple[str, ...] = ()


def ask(question: HttpQuestion, bounds: Bounds) -> bytes:
    """The body of an answer with status 200 and the expected type; Unreachable for everything else. It blocks: use it
    inside the pool."""
    from aiohttp import ClientError

    where = parsed(question.url)
    caller = HttpCaller(bounds.answer_bytes, keeps_lines=False)
    try:
        return asyncio.run(_answer_to(question, caller, bounds.seconds))
    except (ClientError, OSError, ValueError) as why:
        raise Unreachable(f"{where.hostname} did not answer: {why or type(why).__name__}") from why


async def _answer_to(question: HttpQuestion, caller: HttpCaller, seconds: float) -> bytes:
    from yarl import URL

    url, headers, body = URL(question.url, encoded=True), question.headers, question.body
    method = "GET" if body is None else "POST"
    try:
        async with caller.call(method, url, headers=headers, data=body, seconds=seconds) as answer:
            if answer.status != _OK:
                raise Unreachable(f"the server answered {answer.status} instead of 200")
            kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
            if kind not in (question.expects, *question.also):
                raise Unreachable(f"the server sent {kind[:60]!r} instead of {question.expects}")
            return await caller.body(answer)
    finally:
        await caller.close()
