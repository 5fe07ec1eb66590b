"""Decides whether a call is let in before anything is done for it: the right host, not too often, not guessing. In: a
request with its address, and what a proxy of ours says of it; the options. Out: the `Caller` that `caller` finds, or a
refusal that says when to come again.

Who is refused is one address or one key, never everybody (threats.md 86, 87): each has a bucket of its own, in
memory, for this process alone, and however many names there are, memory is bounded. The caller's address and client
certificate are what a proxy says of them, and count from a proxy of ours alone (threats.md 87, 144)."""

from __future__ import annotations

import asyncio
import ipaddress
import math
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from aiohttp import web
from aiohttp.http import HttpVersion10, HttpVersion11
from aiohttp.typedefs import Middleware

from gateway.api.caller import CERTIFICATE, Caller, who_calls
from gateway.api.deps import ApiDeps, ApiOptions
from gateway.api.problems import BadCall, RequestFault
from gateway.api.server import CONNECTIONS
from gateway.domain import account
from gateway.domain.account import KEY_PREFIX, Address, ClientCertificate
from gateway.errors import Denied
from gateway.policy import client_certificate
from gateway.policy.client_certificate import NotOne

# Whoever is forgotten starts with a full bucket again, which helps nobody who was waiting: it was the longest unused one.
MOST_NAMES = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """So many calls at once, and so many a second afterwards."""

    per_s: float
    burst: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    limit: int
    remaining: int
    reset_s: int


class Buckets:
    """One bucket for each name."""

    def __init__(self, rate: Rate, now: Callable[[], float] = time.monotonic, most: int = MOST_NAMES) -> None:
        self._rate = rate
        self._now = now
        self._most = most
        self._held: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def wait_s(self, name: str) -> float:
        """How long until this name may take one; takes nothing."""
        return max(0.0, (1.0 - self._left(name)) / self._rate.per_s)

    def take(self, name: str) -> float:
        """Takes one, or says how long to wait for it."""
        wait = self.wait_s(name)
        if wait == 0.0:
            self._held[name] = (self._left(name) - 1.0, self._now())
            self._held.move_to_end(name)
            if len(self._held) > self._most:
                self._held.popitem(last=False)
        return wait

    def standing(self, name: str) -> Standing:
        """What this name may still take at once, and when it may take all again."""
        left = self._left(name)
        full_s = math.ceil((self._rate.burst - left) / self._rate.per_s)
        return Standing(limit=math.floor(self._rate.burst), remaining=math.floor(left), reset_s=full_s)

    def _left(self, name: str) -> float:
        left, since = self._held.get(name, (self._rate.burst, 0.0))
        return min(self._rate.burst, left + max(0.0, self._now() - since) * self._rate.per_s)


STANDING = web.RequestKey("standing", Standing)
"""Of the key that calls, where calls are counted."""
KEY_ENDS = web.RequestKey("key_ends", datetime)
"""Of a key that ends soon."""
CERTIFICATE_ENDS = web.RequestKey("certificate_ends", datetime)
"""Of a client certificate that a key takes, and that ends soon."""
WARNED = timedelta(days=30)

# An address may have several keys behind it.
_KEYS_OF_AN_ADDRESS = 4
# After so many wrong keys that begin alike, one address may try such a key once in five seconds.
_GUESSES = Rate(per_s=0.2, burst=10)
_ONCE = ("Authorization", "X-Agency", "Idempotency-Key", "If-Match")
_VERSIONS = frozenset({HttpVersion10, HttpVersion11})
_PORT = re.compile(r":\d+$")
_BEGINNING = len("Bearer ") + len(KEY_PREFIX) + 4
_SAID_OF_CERTIFICATE = 4
# Whoever is told that a key has ended had what opened it.
_GUESSED = frozenset({Denied.code, CERTIFICATE})


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
            _refuse_twice(request)
            self._check_host(request)
            if self._addresses is not None:
                _refuse_for(self._addresses.take(self.address(request)))
            connections = request.app.get(CONNECTIONS)
            if connections is None:
                return await self._within_time(request, handler)
            with connections.busy(request.protocol):
                return await self._within_time(request, handler)

        return enter

    async def caller(self, request: web.Request, deps: ApiDeps) -> Caller:
        """Who calls, unless this address guesses or this key calls too often."""
        certificate = self._certificate(request)
        named = request.headers.get("Authorization", "")[:_BEGINNING]
        if certificate is not None:
            # Who tries a key with a wrong certificate, or none, must not keep out who has the right one.
            named += f" certificate {certificate.sha256[:_SAID_OF_CERTIFICATE]}"
        return await self.let_in(
            request, deps, named, lambda address: who_calls(request, deps, address, certificate)
        )

    async def let_in(
        self,
        request: web.Request,
        deps: ApiDeps,
        named: str,
        who_calls: Callable[[Address | None], Awaitable[Caller]],
    ) -> Caller:
        """The same for whoever says `named` of himself, and is found by `who_calls`."""
        guess = f"{self.address(request)} {named}"
        if self._keys is not None:
            _refuse_for(self._guesses.wait_s(guess))
        try:
            who = await who_calls(self._caller_address(request))
        except Denied as why:
            if why.code in _GUESSED:
                self._guesses.take(guess)
            raise
        if who.key.expires_at is not None and who.key.expires_at - deps.clock.now() <= WARNED:
            request[KEY_ENDS] = who.key.expires_at
        if who.key.certificate is not None and who.key.certificate.ends_at - deps.clock.now() <= WARNED:
            request[CERTIFICATE_ENDS] = who.key.certificate.ends_at
        if self._keys is not None:
            wait_s = self._keys.take(who.key.id)
            request[STANDING] = self._keys.standing(who.key.id)
            _refuse_for(wait_s)
        return who

    def _check_host(self, request: web.Request) -> None:
        """One Host, and one that this node answers to: another may be meant for somebody else, or made to mislead."""
        given = request.headers.getall("Host", [])
        name = _PORT.sub("", request.host).casefold()
        allowed = self._options.hosts
        if len(given) > 1 or (allowed and name not in allowed):
            raise BadCall("bad-request", RequestFault(code="bad-host"))

    def address(self, request: web.Request) -> str:
        """Where the call comes from, for counting. Of an IPv6 address the network counts: each caller has all of it."""
        found = self._caller_address(request)
        if found is None:
            return "unknown"
        if isinstance(found, ipaddress.IPv6Address):
            return str(ipaddress.ip_network((found, 64), strict=False))
        return str(found)

    def _caller_address(self, request: web.Request) -> Address | None:
        """Return the address that the nearest proxy of ours saw, or the peer's own. Several lines of X-Forwarded-For are
        one list, to which each proxy adds at the end: read from there, it is believed up to the first address that is
        no proxy of ours."""
        near = request.remote or ""
        forwarded = ",".join(request.headers.getall("X-Forwarded-For", ())).split(",")
        while near in self._options.proxies and forwarded:
            near = forwarded.pop().strip() or near
        return account.read_address(near)

    def _is_of_proxy(self, request: web.Request) -> bool:
        """Whether a proxy of ours hands it in: its headers say who calls."""
        return (request.remote or "") in self._options.proxies

    def _certificate(self, request: web.Request) -> ClientCertificate | None:
        """What a proxy of ours proved in TLS. From anybody else the header says nothing, as if it were not there."""
        if not self._options.client_certificates or not self._is_of_proxy(request):
            return None
        try:
            return client_certificate.of_header(request.headers.getall(client_certificate.HEADER, ()))
        except NotOne as why:
            fault = RequestFault(
                code=why.code,
                pointer=f"/headers/{client_certificate.HEADER}",
                params={"most": str(client_certificate.LONGEST)},
            )
            raise BadCall("bad-request", fault) from why

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
        raise BadCall("bad-request", RequestFault(code="not-plain-http"))


def _refuse_twice(request: web.Request) -> None:
    """A header that says who calls, or under which condition, stands there once: another reader may take the other one."""
    for name in _ONCE:
        if len(request.headers.getall(name, ())) > 1:
            fault = RequestFault(code="twice", pointer=f"/headers/{name}")
            raise BadCall("bad-request", fault)


def _refuse_for(wait_s: float) -> None:
    if wait_s > 0:
        raise BadCall("too-many-calls", headers={"Retry-After": str(max(1, math.ceil(wait_s)))})
