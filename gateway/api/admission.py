"""Decide whether a call is let in before any work: right host, not too often, no guessing. In: a request with its address,
and headers of a trusted proxy; the options. Out: the `Caller` that `caller` finds, or a refusal that says when to come
again. A refusal concerns one address or one key, never all (threats.md 86, 87): each has a bucket of its own, in memory,
for this process alone, and memory is bounded for any number of names. The caller's address and client certificate come from
proxy headers, which count from trusted proxies alone (threats.md 87, 144)."""

from __future__ import annotations

import asyncio
import ipaddress
import math
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from aiohttp import web
from aiohttp.http import HttpVersion10, HttpVersion11
from aiohttp.typedefs import Middleware

from gateway import time_source
from gateway.api.caller import CERTIFICATE, Caller, identify_caller
from gateway.api.deps import ApiDeps, ApiOptions
from gateway.api.server import CONNECTIONS
from gateway.domain import account
from gateway.domain.account import KEY_PREFIX, Address, ClientCertificate
from gateway.domain.request_fault import BadCall, RequestFault
from gateway.errors import Denied
from gateway.policy import client_certificate
from gateway.policy.client_certificate import NotACertificate

# A forgotten name starts with a full bucket again; it was the longest unused one, so no waiting caller gains by it.
MOST_NAMES = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A burst of calls at once, and a number per second afterwards."""

    per_s: float
    burst: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RateState:
    limit: int
    remaining: int
    reset_s: int


class Buckets:
    """One token bucket per name."""

    def __init__(
        self, rate: Rate, now: Callable[[], float] = time_source.monotonic, most: int = MOST_NAMES
    ) -> None:
        self._rate = rate
        self._now = now
        self._most = most
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._levels)

    def wait_s(self, name: str) -> float:
        """Return the time until this name may take a token, without taking one."""
        return max(0.0, (1.0 - self._level(name)) / self._rate.per_s)

    def take(self, name: str) -> float:
        """Take a token, or return how long to wait for one."""
        wait = self.wait_s(name)
        if wait == 0.0:
            self._levels[name] = (self._level(name) - 1.0, self._now())
            self._levels.move_to_end(name)
            if len(self._levels) > self._most:
                self._levels.popitem(last=False)
        return wait

    def standing(self, name: str) -> RateState:
        """Return how many tokens this name has left, and when its bucket is full again."""
        level = self._level(name)
        full_s = math.ceil((self._rate.burst - level) / self._rate.per_s)
        return RateState(limit=math.floor(self._rate.burst), remaining=math.floor(level), reset_s=full_s)

    def _level(self, name: str) -> float:
        level, since = self._levels.get(name, (self._rate.burst, 0.0))
        return min(self._rate.burst, level + max(0.0, self._now() - since) * self._rate.per_s)


STANDING = web.RequestKey("standing", RateState)
"""Set for the calling key, where calls are counted."""
KEY_ENDS = web.RequestKey("key_ends", datetime)
"""Set for a key that ends soon."""
CERTIFICATE_ENDS = web.RequestKey("certificate_ends", datetime)
"""Set for a key's client certificate that ends soon."""
WARNED = timedelta(days=30)

# Several keys may be used behind one address.
_KEYS_OF_AN_ADDRESS = 4
# After this many wrong keys with one beginning, an address may try such a key once in five seconds.
_GUESSES = Rate(per_s=0.2, burst=10)
_ONCE = ("Authorization", "X-Agency", "Idempotency-Key", "If-Match")
_VERSIONS = frozenset({HttpVersion10, HttpVersion11})
_PORT = re.compile(r":\d+$")
_BEGINNING = len("Bearer ") + len(KEY_PREFIX) + 4
_SAID_OF_CERTIFICATE = 4
# These codes count as guesses; a caller that learns that a key has ended had what opened it.
_GUESSED = frozenset({Denied.code, CERTIFICATE})


class Entry:
    """Access limits of one application."""

    def __init__(self, options: ApiOptions) -> None:
        self._options = options
        self._keys: Buckets | None = None
        self._addresses: Buckets | None = None
        self._guesses = Buckets(_GUESSES)
        if options.rate_per_s is not None:
            per_s, burst, factor = options.rate_per_s, options.burst, _KEYS_OF_AN_ADDRESS
            self._keys = Buckets(Rate(per_s=per_s, burst=burst))
            self._addresses = Buckets(Rate(per_s=per_s * factor, burst=burst * factor))

    def middleware(self) -> Middleware:
        """Make the middleware directly behind the guard, which answers for refusals here."""

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
        """Identify the caller, unless this address guesses or this key calls too often."""
        certificate = self._certificate(request)
        claimed = request.headers.get("Authorization", "")[:_BEGINNING]
        if certificate is not None:
            # A guess with a wrong certificate, or none, must not lock out the owner of the right one.
            claimed += f" certificate {certificate.sha256[:_SAID_OF_CERTIFICATE]}"
        return await self.let_in(
            request, deps, claimed, lambda address: identify_caller(request, deps, address, certificate)
        )

    async def let_in(
        self,
        request: web.Request,
        deps: ApiDeps,
        claimed: str,
        who_calls: Callable[[Address | None], Awaitable[Caller]],
    ) -> Caller:
        """Let in a caller that claims `claimed` and is identified by `who_calls`."""
        guess = f"{self.address(request)} {claimed}"
        if self._keys is not None:
            _refuse_for(self._guesses.wait_s(guess))
        try:
            caller = await who_calls(self._caller_address(request))
        except Denied as error:
            if error.code in _GUESSED:
                self._guesses.take(guess)
            raise
        if caller.key.expires_at is not None and caller.key.expires_at - deps.clock.now() <= WARNED:
            request[KEY_ENDS] = caller.key.expires_at
        if caller.key.certificate is not None and caller.key.certificate.ends_at - deps.clock.now() <= WARNED:
            request[CERTIFICATE_ENDS] = caller.key.certificate.ends_at
        if self._keys is not None:
            wait_s = self._keys.take(caller.key.id)
            request[STANDING] = self._keys.standing(caller.key.id)
            _refuse_for(wait_s)
        return caller

    def _check_host(self, request: web.Request) -> None:
        """Require one Host header with a name of this node: another may be meant for another server, or made to mislead."""
        hosts = request.headers.getall("Host", [])
        name = _PORT.sub("", request.host).casefold()
        allowed = self._options.hosts
        if len(hosts) > 1 or (allowed and name not in allowed):
            raise BadCall("bad-request", RequestFault(code="bad-host"))

    def address(self, request: web.Request) -> str:
        """Return the address that calls are counted by. For IPv6 that is the network: each caller has all of it."""
        return _counted_as(self._caller_address(request))

    def _caller_address(self, request: web.Request) -> Address | None:
        """Return the address that the nearest proxy of ours saw, or the peer's own. Several lines of X-Forwarded-For are
        one list, to which each proxy adds at the end: read from there, it is believed up to the first address that is
        no proxy of ours."""
        near = request.remote or ""
        if near in self._options.proxies:
            forwarded = ",".join(request.headers.getall("X-Forwarded-For", ())).split(",")
            while near in self._options.proxies and forwarded:
                near = forwarded.pop().strip() or near
        return _read_address(near)

    def _is_of_proxy(self, request: web.Request) -> bool:
        """Tell whether a trusted proxy forwarded it: its headers then name the caller."""
        return (request.remote or "") in self._options.proxies

    def _certificate(self, request: web.Request) -> ClientCertificate | None:
        """Return the certificate that a trusted proxy proved in TLS. From other senders the header is ignored."""
        if not self._options.client_certificates or not self._is_of_proxy(request):
            return None
        try:
            return client_certificate.read_header(request.headers.getall(client_certificate.HEADER, ()))
        except NotACertificate as error:
            fault = RequestFault(
                code=error.code,
                pointer=f"/headers/{client_certificate.HEADER}",
                params={"most": str(client_certificate.LONGEST)},
            )
            raise BadCall("bad-request", fault) from error

    async def _within_time(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Cut off a caller that neither sends nor reads: half an answer may be on its way."""
        limit = self._options.call_s
        try:
            async with asyncio.timeout(limit) as running:
                return await handler(request)
        except TimeoutError as error:
            if not running.expired():
                raise
            request.protocol.force_close()
            raise BadCall("too-slow", params={"seconds": str(limit)}) from error


# Asked several times for each call, of the same few callers.
_read_address = lru_cache(maxsize=1000)(account.read_address)


@lru_cache(maxsize=1000)
def _counted_as(address: Address | None) -> str:
    if address is None:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def _check_wire(request: web.Request) -> None:
    """Refuse requests that a proxy in front may read differently: an address that names a host, another version, framing
    beyond chunks."""
    coding = request.headers.get("Transfer-Encoding", "chunked")
    if (
        not request.raw_path.startswith("/")
        or request.version not in _VERSIONS
        or coding.lower() != "chunked"
    ):
        request.protocol.close()
        raise BadCall("bad-request", RequestFault(code="not-plain-http"))


def _refuse_twice(request: web.Request) -> None:
    """Require a single header for credentials and conditions: another reader may take the other one."""
    for name in _ONCE:
        if len(request.headers.getall(name, ())) > 1:
            fault = RequestFault(code="twice", pointer=f"/headers/{name}")
            raise BadCall("bad-request", fault)


def _refuse_for(wait_s: float) -> None:
    if wait_s > 0:
        raise BadCall("too-many-calls", headers={"Retry-After": str(max(1, math.ceil(wait_s)))})
