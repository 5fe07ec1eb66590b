"""Carries one body to one address of an agency's program. In: an address, a body, headers. Out: how it went, never an
exception for what the other side does.

The address of the machine is looked at where the connection is made, after its name was resolved: whatever a name
says a moment later, and however an address is written, nothing leaves for a network that is not allowed (threat 89). No
redirect is followed, no proxy of the environment is used, no cookie is kept, nothing is unpacked; the whole exchange
has one end, and of an answer only the beginning is read. Certificates are checked. A name that nobody answers for holds a
thread of this adapter's own, and nobody else's."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from gateway.domain import account
from gateway.domain.webhook import MOST_SAID, Reach, TryCode, may_reach, read_url
from gateway.errors import BadForm, Misconfigured
from gateway.ports.webhooks import Posted

MOST_READ = 4 * MOST_SAID
# The status is what counts; the words are for people, and nobody waits long for them.
WORDS_S = 1.0
_GONE, _MULTIPLE, _BAD = 410, 300, 400


class RefusedAddress(OSError):
    """The name leads to where nothing may go."""


class HttpPoster:
    """Keeps the promise of `ports.webhooks.Poster`. Close it at the end."""

    def __init__(
        self, reach: Reach, *, timeout_s: float, at_once: int, agent: str, ca: Path | None = None
    ) -> None:
        self._reach = reach
        self._timeout_s, self._at_once, self._agent, self._ca = timeout_s, at_once, agent, ca
        self._session: aiohttp.ClientSession | None = None
        self._names = ThreadPoolExecutor(max_workers=2 * at_once, thread_name_prefix="webhook-name")

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Posted:
        try:
            read_url(url, self._reach)
        except BadForm:  # it was good once: the settings say otherwise now
            return Posted(code=TryCode.REFUSED_ADDRESS)
        try:
            async with asyncio.timeout(self._timeout_s):
                target = URL(url, encoded=True)
                try:
                    return await self._post(target, body, headers)
                except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as why:
                    if isinstance(why, aiohttp.ClientConnectorError):
                        raise
                    # A line kept from before may have been closed by the other side meanwhile; the next one is new.
                    return await self._post(target, body, headers)
        except TimeoutError:
            return Posted(code=TryCode.TIMEOUT)
        except (aiohttp.ClientError, OSError, ValueError) as why:
            return Posted(code=_code_of(why))

    async def _post(self, url: URL, body: bytes, headers: Mapping[str, str]) -> Posted:
        said = {
            **headers,
            "Content-Type": "application/json",
            "User-Agent": self._agent,
            "Accept-Encoding": "identity",
        }
        async with self._opened().post(url, data=body, headers=said, allow_redirects=False) as answer:
            words = await _beginning(answer)
            return Posted(code=_code_of_status(answer.status), status=answer.status, answer=words)

    def _opened(self) -> aiohttp.ClientSession:
        """Made when it is first needed, inside of the loop that uses it."""
        if self._session is None:
            line = aiohttp.TCPConnector(
                limit=self._at_once,
                use_dns_cache=False,
                resolver=_Names(self._names),
                socket_factory=self._socket,
                ssl=_tls(self._ca),
                keepalive_timeout=15,
            )
            self._session = aiohttp.ClientSession(
                connector=line,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=self._timeout_s),
                auto_decompress=False,
                trust_env=False,
                read_bufsize=MOST_READ,
            )
        return self._session

    def _socket(self, found: Any) -> socket.socket:
        """For one address that is about to be connected to. Any: the library's tuple, as `getaddrinfo` gives it."""
        family, kind, protocol, _, where = found
        address = account.read_address(str(where[0]).partition("%")[0])
        if address is None or "%" in str(where[0]) or not may_reach(address, self._reach.networks):
            raise RefusedAddress("the name leads into a network that webhooks may not reach")
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        return made

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None
        self._names.shutdown(wait=False, cancel_futures=True)


class _Names(AbstractResolver):
    """As the machine resolves them, in threads of our own."""

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self._threads = threads

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, _resolved, host, port, family)
        return [
            ResolveResult(
                hostname=host,
                host=str(where[0]),
                port=port,
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST,
            )
            for kind, _, protocol, _, where in found
        ]

    async def close(self) -> None:
        return None


def _resolved(host: str, port: int, family: int) -> list[Any]:
    return socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)


def _tls(ca: Path | None) -> ssl.SSLContext:
    """The machine's authorities, and those of the file beside them."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca is not None:
        try:
            context.load_verify_locations(ca)
        except OSError as why:
            raise Misconfigured(f"{ca} holds no certificates that can be read (webhooks.ca)") from why
    return context


async def _beginning(answer: aiohttp.ClientResponse) -> bytes:
    """What comes at once. Where more follows the connection ends, and is not used again."""
    held = bytearray()
    with suppress(TimeoutError, aiohttp.ClientError, OSError):
        async with asyncio.timeout(WORDS_S):
            while len(held) < MOST_READ and not answer.content.at_eof():
                held += await answer.content.read(MOST_READ - len(held))
    if not answer.content.at_eof():
        answer.close()
    return bytes(held)


def _code_of_status(status: int) -> TryCode:
    if 200 <= status < _MULTIPLE:
        return TryCode.OK
    if status == _GONE:
        return TryCode.GONE
    return TryCode.REDIRECT if _MULTIPLE <= status < _BAD else TryCode.STATUS


def _code_of(why: BaseException) -> TryCode:
    """By what raised it, or what that was raised for."""
    inner = why.__cause__ or getattr(why, "os_error", None)
    if isinstance(why, RefusedAddress) or isinstance(inner, RefusedAddress):
        return TryCode.REFUSED_ADDRESS
    if isinstance(why, aiohttp.ClientSSLError | ssl.SSLError | aiohttp.ServerFingerprintMismatch):
        return TryCode.TLS
    if isinstance(why, aiohttp.ClientConnectorDNSError | socket.gaierror):
        return TryCode.NAME
    if isinstance(why, aiohttp.ClientConnectorError | ConnectionRefusedError):
        return TryCode.CONNECT
    return TryCode.BROKEN
