"""Decides whether a call is let in before anything is done for it: the right host, not too often, not guessing keys. In: a
request and the options. Out: the caller, or a refusal that says when to come again. Who is refused is one address or one
key, never everybody (threats.md 86, 87)."""

from __future__ import annotations

import asyncio
import ipaddress
import math
import re
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.http import HttpVersion10, HttpVersion11
from aiohttp.typedefs import Middleware

from gateway.api import auth
from gateway.api.connections import CONNECTIONS
from gateway.api.deps import ApiDeps, ApiOptions
from gateway.api.failing import BadCall, Fault
from gateway.api.limits import Buckets, Rate
from gateway.domain import networks
from gateway.domain.account import KEY_PREFIX
from gateway.domain.networks import Address
from gateway.errors import Denied

# An address may have several keys behind it.
_KEYS_OF_AN_ADDRESS = 4
# After so many wrong keys that begin alike, one address may try such a key once in five seconds.
_GUESSES = Rate(per_s=0.2, burst=10)
_VERSIONS = frozenset({HttpVersion10, HttpVersion11})
_PORT = re.compile(r":\d+$")
_BEGINNING = len("Bearer ") + len(KEY_PREFIX) + 4


class Entry:
    """The limits of one application."""

    def __init__(self, options: ApiOptions) -> None:
        self._options = options
        self._keys: Buckets | None = None
        self._addresses: Buckets | None = None
        self._guesses = Buckets(_GUESSES)
        if options.rate_per_s is not None:
            per_s, burst, many = options.rate_per_s, options.burst, _KEYS_OF_AN_ADDRESS
            self._keys = Buckets(Rate(per_s=per_s, burst=burst))
            self._addresses = Buckets(Rate(per_s=per_s * many, burst=burst * many))

    def middleware(self) -> Middleware:
        """Stands directly behind the guard, which answers for what is refused here."""

        @web.middleware
        async def enter(
            request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
        ) -> web.StreamResponse:
            _check_wire(request)
            self._check_host(request)
            if self._addresses is not None:
                _refuse_for(self._addresses.take(self.address(request)))
            connections = request.app.get(CONNECTIONS)
            if connections is None:
                return await self._within_time(request, handler)
            with connections.busy(request.protocol):
                return await self._within_time(request, handler)

        return enter

    async def caller(self, request: web.Request, deps: ApiDeps) -> auth.Caller:
        """Who calls, unless this address guesses or this key calls too often."""
        guess = f"{self.address(request)} {request.headers.get('Authorization', '')[:_BEGINNING]}"
        if self._keys is not None:
            _refuse_for(self._guesses.wait_s(guess))
        try:
            who = await auth.caller(request, deps, self._caller_address(request))
        except Denied as why:
            if why.code == Denied.code:
                self._guesses.take(guess)
            raise
        if self._keys is not None:
            _refuse_for(self._keys.take(who.key.id))
        return who

    def _check_host(self, request: web.Request) -> None:
        """One Host, and one that this node answers to: another may be meant for somebody else, or made to mislead."""
        given = request.headers.getall("Host", [])
        name = _PORT.sub("", request.host).casefold()
        allowed = self._options.hosts
        if len(given) > 1 or (allowed and name not in allowed):
            raise BadCall("bad-request", Fault(code="bad-host"))

    def address(self, request: web.Request) -> str:
        """Where the call comes from, for counting. Of an IPv6 address the network counts: each caller has all of it."""
        found = self._caller_address(request)
        if found is None:
            return "unknown"
        if isinstance(found, ipaddress.IPv6Address):
            return str(ipaddress.ip_network((found, 64), strict=False))
        return str(found)

    def _caller_address(self, request: web.Request) -> Address | None:
        """What a proxy says of it counts only from a proxy of ours. The last word in X-Forwarded-For is that proxy's
        own."""
        near = request.remote or ""
        if near in self._options.proxies:
            near = request.headers.get("X-Forwarded-For", near).rpartition(",")[2]
        return networks.address(near)

    async def _within_time(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Whoever neither sends nor reads is cut off in the end: there may be half an answer on its way."""
        limit = self._options.call_s
        try:
            async with asyncio.timeout(limit) as running:
                return await handler(request)
        except TimeoutError as why:
            if not running.expired():
                raise
            request.protocol.force_close()
            raise BadCall("too-slow", params={"seconds": str(limit)}) from why


def _check_wire(request: web.Request) -> None:
    """What a proxy in front may read in another way than we do: an address that names a host, another version, a body
    that is framed by more than chunks."""
    coding = request.headers.get("Transfer-Encoding", "chunked")
    if (
        not request.raw_path.startswith("/")
        or request.version not in _VERSIONS
        or coding.lower() != "chunked"
    ):
        request.protocol.close()
        raise BadCall("bad-request", Fault(code="not-plain-http"))


def _refuse_for(wait_s: float) -> None:
    if wait_s > 0:
        raise BadCall("too-many-calls", headers={"Retry-After": str(max(1, math.ceil(wait_s)))})
