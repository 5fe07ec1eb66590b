"""Makes HTTP calls within limits. In: an address, the content, limits of time and bytes for the answer. Out: the answer.
No redirect is followed, no proxy from the environment used, no cookie kept, and certificates are checked; a server that
is too slow, sends too much or the wrong type is given up. `may_reach` judges each address after the name was resolved,
where the connection is made, so that nothing is sent to a forbidden network, whatever a name resolves to and however an
address is written. Names are then resolved in threads of this caller alone."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import sys
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from gateway.errors import Misconfigured, Unreachable

if TYPE_CHECKING:  # most commands make no calls, and must not wait for the import
    import aiohttp
    from aiohttp.abc import ResolveResult
    from yarl import URL

PIECE = 256 * 1024
_CONNECT_S, _KEEP_S = 10.0, 15.0
_OK = 200


class RefusedAddress(OSError):
    """Error for a name that leads to a forbidden network."""


class TooLong(ValueError):
    """Error for an answer longer than its limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Limits of a call: bytes of the answer, and seconds from connecting to the last byte."""

    answer_bytes: int
    seconds: float


class HttpCaller:
    """Client whose connections are opened on demand and kept for the next call. Close it at the end."""

    def __init__(
        self,
        answer_bytes: int,
        *,
        ca: str | Path | None = None,
        adds_ca: bool = False,
        at_once: int = 8,
        keeps_lines: bool = True,
        unpacks: bool = False,
        may_reach: Callable[[str], bool] | None = None,
    ) -> None:
        """Set the rules. `ca` is trusted instead of the machine's authorities, or besides them with `adds_ca`. Without
        `keeps_lines` each call has a new connection. With `unpacks` answers are decompressed, and the limit counts
        decompressed bytes."""
        self._answer_bytes, self._at_once = answer_bytes, at_once
        self._ca, self._adds_ca = ca, adds_ca
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
        """Send a request and yield the answer once its head has come. `seconds` limits the time from connecting to the
        last byte, `silent_s` the time between two bytes."""
        from aiohttp import ClientTimeout

        own_headers = {} if self._unpacks else {"Accept-Encoding": "identity"}
        async with self._open_session().request(
            method,
            url,
            headers={**own_headers, **(headers or {})},
            data=data,
            allow_redirects=False,
            timeout=ClientTimeout(total=seconds, sock_connect=_CONNECT_S, sock_read=silent_s),
        ) as answer:
            yield answer

    async def pieces(self, answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        """Yield the body in pieces; raise TooLong once it exceeds the limit."""
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

    def _open_session(self) -> aiohttp.ClientSession:
        """Return the session, opened at the first call because it must be made inside the loop that uses it."""
        if self._session is None:
            import aiohttp

            rules: dict[str, Any] = {}
            if self._may_reach is not None:
                rules = {"use_dns_cache": False, "resolver": self, "socket_factory": self._socket}
            if self._keeps_lines:
                rules["keepalive_timeout"] = _KEEP_S
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    ssl=_tls(self._ca, is_beside=self._adds_ca),
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
        """Return the addresses of a name, resolved in a thread of this caller. aiohttp calls its resolver by this
        method."""
        loop = asyncio.get_running_loop()
        addresses = await loop.run_in_executor(self._threads, _resolve, host, port, family)
        return [
            {
                "hostname": host,
                "host": str(sockaddr[0]),
                "port": port,
                "family": kind,
                "proto": protocol,
                "flags": socket.AI_NUMERICHOST,
            }
            for kind, _, protocol, _, sockaddr in addresses
        ]

    def _socket(self, address: Any) -> socket.socket:
        """Return a socket for one address; raise RefusedAddress for a forbidden one. Any: a tuple as from `getaddrinfo`."""
        family, kind, protocol, _, sockaddr = address
        if self._may_reach is None or not self._may_reach(str(sockaddr[0])):
            raise RefusedAddress("the name leads into a network that may not be reached")
        new_socket = socket.socket(family, kind, protocol)
        new_socket.setblocking(False)
        return new_socket


def load_library() -> None:
    """Import aiohttp. While imported it reads the machine's authorities twice, for calls without a TLS context; ours
    always have one (`_tls`). So it is shown no authorities here, and a call without a context trusts none."""
    if "aiohttp" in sys.modules:
        return
    paths = ssl.get_default_verify_paths()
    names = (paths.openssl_cafile_env, paths.openssl_capath_env)
    saved_paths = {name: os.environ.get(name) for name in names}
    os.environ |= dict.fromkeys(names, os.devnull)
    try:
        import aiohttp  # noqa: F401 - it stays loaded
    finally:
        for name, value in saved_paths.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _resolve(host: str, port: int, family: int) -> list[Any]:
    return socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)


def parse_url(url: str) -> SplitResult:
    """Return the parts of an address; raise Misconfigured unless it is http(s) with a host and without credentials."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise Misconfigured(f"{url!r} is no address of a server") from error
    if parts.scheme not in ("http", "https") or not host or parts.username or parts.fragment or port == 0:
        raise Misconfigured(f"{url!r} is no address of a server; write it like https://host.example/path")
    return parts


def _tls(ca: str | Path | None, *, is_beside: bool) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=None if is_beside else ca)
        if is_beside and ca is not None:
            context.load_verify_locations(ca)
    except OSError as error:
        raise Misconfigured(f"{ca} holds no certificates that can be read") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """Single request: a POST where there is a body, else a GET. The answer must have the media type `expects`, or one of
    `also`, which some servers send instead."""

    url: str
    expects: str
    body: bytes | None = None
    headers: Mapping[str, str] | None = None
    also: tuple[str, ...] = ()


def ask(
    question: HttpRequest,
    bounds: Bounds,
    may_reach: Callable[[str], bool] | None = None,
    *,
    ca: Path | None = None,
) -> bytes:
    """Return the body of an answer with status 200 and an expected type; else raise Unreachable. `ca` is trusted besides
    the machine's authorities. It blocks: use the pool."""
    load_library()
    from aiohttp import ClientError

    parts = parse_url(question.url)
    caller = HttpCaller(bounds.answer_bytes, ca=ca, adds_ca=True, keeps_lines=False, may_reach=may_reach)
    try:
        return asyncio.run(_answer_to(question, caller, bounds.seconds))
    except (ClientError, OSError, ValueError) as error:
        raise Unreachable(f"{parts.hostname} did not answer: {error or type(error).__name__}") from error


async def read_pieces(url: str, bounds: Bounds, ca: Path | None = None) -> AsyncIterator[bytes]:
    """Get an address and yield the body of its answer in pieces; raise Unreachable where it did not come whole. `ca` is
    trusted besides the machine's authorities."""
    await asyncio.to_thread(load_library)
    from aiohttp import ClientError
    from yarl import URL

    parts = parse_url(url)
    caller = HttpCaller(bounds.answer_bytes, ca=ca, adds_ca=True, keeps_lines=False)
    try:
        async with caller.call("GET", URL(url, encoded=True), seconds=bounds.seconds) as answer:
            if answer.status != _OK:
                raise Unreachable(f"{parts.hostname} answered {answer.status} instead of 200")
            async for piece in caller.pieces(answer):
                yield piece
    except (ClientError, OSError, ValueError) as error:
        raise Unreachable(f"{parts.hostname} did not answer: {error or type(error).__name__}") from error
    finally:
        await caller.close()


async def post(url: str, body: bytes, bounds: Bounds) -> tuple[int, bytes]:
    """Post a body and return the status and the body of the answer, whatever the status; raise Unreachable without one."""
    await asyncio.to_thread(load_library)
    from aiohttp import ClientError
    from yarl import URL

    parts = parse_url(url)
    caller = HttpCaller(bounds.answer_bytes, keeps_lines=False)
    try:
        async with caller.call("POST", URL(url, encoded=True), data=body, seconds=bounds.seconds) as answer:
            return answer.status, await caller.body(answer)
    except (ClientError, OSError, ValueError) as error:
        raise Unreachable(f"{parts.hostname} did not answer: {error or type(error).__name__}") from error
    finally:
        await caller.close()


async def _answer_to(question: HttpRequest, caller: HttpCaller, seconds: float) -> bytes:
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
