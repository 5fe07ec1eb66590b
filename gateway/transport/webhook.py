"""Posts one body to a webhook address of an agency's program. In: an address, a body, headers. Out: the outcome; faults
of the other side never raise.

A network that is not allowed is never called, answers are not decompressed, the whole exchange has one deadline, and
only the beginning of an answer is read (`http_calls`)."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import aiohttp
from yarl import URL

from gateway.domain import account
from gateway.domain.webhook import LONGEST_ANSWER, Reach, TryCode, may_reach, read_url
from gateway.errors import BadForm
from gateway.http_calls import HttpCaller, RefusedAddress
from gateway.ports.services import Posted

MOST_READ = 4 * LONGEST_ANSWER
# The status decides; the body is only for people, so the wait for it is short.
WORDS_S = 1.0
_GONE_STATUS, _MULTIPLE, _BAD = 410, 300, 400


class HttpPoster:
    """Poster of webhooks (the `ports.services.Poster` protocol). Call `close` at the end."""

    def __init__(
        self, reach: Reach, *, timeout_s: float, at_once: int, agent: str, ca: Path | None = None
    ) -> None:
        self._reach = reach
        self._timeout_s, self._agent = timeout_s, agent
        self._caller = HttpCaller(MOST_READ, ca=ca, adds_ca=True, at_once=at_once, may_reach=self._may_reach)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Posted:
        """Post the body once, and once more where a kept connection turned out closed."""
        try:
            read_url(url, self._reach)
        except BadForm:  # valid when it was saved; the allowed networks have changed since
            return Posted(code=TryCode.REFUSED_ADDRESS)
        try:
            async with asyncio.timeout(self._timeout_s):
                target = URL(url, encoded=True)
                try:
                    return await self._post(target, body, headers)
                except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as why:
                    if isinstance(why, aiohttp.ClientConnectorError):
                        raise
                    # The other side may have closed a kept connection meanwhile; the next one is new.
                    return await self._post(target, body, headers)
        except TimeoutError:
            return Posted(code=TryCode.TIMEOUT)
        except (aiohttp.ClientError, OSError, ValueError) as why:
            return Posted(code=_code_of(why))

    async def _post(self, url: URL, body: bytes, headers: Mapping[str, str]) -> Posted:
        all_headers = {**headers, "Content-Type": "application/json", "User-Agent": self._agent}
        call = self._caller.call("POST", url, data=body, headers=all_headers, seconds=self._timeout_s)
        async with call as answer:
            words = await _beginning(answer)
            return Posted(code=_code_of_status(answer.status), status=answer.status, answer=words)

    def _may_reach(self, host: str) -> bool:
        """Tell whether this IP address is in an allowed network."""
        address = account.read_address(host)
        return address is not None and "%" not in host and may_reach(address, self._reach.networks)

    async def close(self) -> None:
        await self._caller.close()


async def _beginning(answer: aiohttp.ClientResponse) -> bytes:
    """Read the beginning of an answer, as far as it has come. A connection with more to come is closed, not used again."""
    body = bytearray()
    with suppress(TimeoutError, aiohttp.ClientError, OSError):
        async with asyncio.timeout(WORDS_S):
            while len(body) < MOST_READ and not answer.content.at_eof():
                body += await answer.content.read(MOST_READ - len(body))
    if not answer.content.at_eof():
        answer.close()
    return bytes(body)


def _code_of_status(status: int) -> TryCode:
    if 200 <= status < _MULTIPLE:
        return TryCode.OK
    if status == _GONE_STATUS:
        return TryCode.GONE
    return TryCode.REDIRECT if _MULTIPLE <= status < _BAD else TryCode.STATUS


def _code_of(why: BaseException) -> TryCode:
    """Return the outcome code of an exception, judged by its cause too."""
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
