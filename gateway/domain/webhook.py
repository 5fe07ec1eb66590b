"""Webhooks: the address of an agency's program, the events it wants, the cursor, and the outcome of each delivery. Frozen
values. Pure.

The module also decides to which network addresses a body may be sent. An address that is not plainly on the public
Internet is refused: private, loopback, link-local, shared and reserved networks, and every form of IPv6 in which such an
IPv4 address hides. A network that the node's settings name is allowed."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from urllib.parse import SplitResult, urlsplit

from gateway.domain import account
from gateway.domain.account import Address, ApiScope, Network
from gateway.errors import BadForm

MOST_OF_AGENCY = 20
MOST_FILTERS = 40
LONGEST_URL = 2000
LONGEST_NOTE = 200
MOST_SECRETS = 3
MOST_TRIES_KEPT = 20
LONGEST_ANSWER = 300
"""Characters of an endpoint's answer that are stored."""
LONGEST_OVERLAP_H = 168
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9])?)*\.?")
# Networks that the library counts as public, but that are assigned to protocols and to relays into IPv6.
_NOT_PUBLIC = (IPv4Network("192.0.0.0/24"), IPv4Network("192.88.99.0/24"))
_UNICAST = IPv6Network("2000::/3")
_SIX_TO_FOUR = IPv6Network("2002::/16")
_TEREDO = IPv6Network("2001::/32")
_DOCUMENTED = IPv6Network("3fff::/20")
_NAT64 = IPv6Network("64:ff9b::/96")
_SECRET = re.compile(r"(whsec_|gwk_|sbx_)[A-Za-z0-9+/=_-]+|v1a?,[A-Za-z0-9+/=]{20,}|(?i:bearer) [^\s\"']+")


class EndpointState(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"


class PauseWhy(StrEnum):
    PERSON = "person"
    FAILING = "failing"
    """All deliveries failed for three days."""
    GONE = "gone"
    """The endpoint answered 410."""
    KEY = "key"
    """The API key that made it was revoked or has expired, and its program has no other key for the agency."""


class DeliveryState(StrEnum):
    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"


class TryCode(StrEnum):
    """Result of one attempt to deliver."""

    OK = "ok"
    STATUS = "status"
    REDIRECT = "redirect"
    GONE = "gone"
    TIMEOUT = "timeout"
    REFUSED_ADDRESS = "refused-address"
    NAME = "name"
    CONNECT = "connect"
    TLS = "tls"
    BROKEN = "broken"
    SECRET = "secret"  # noqa: S105 - a word
    UNMADE = "unmade"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptSecret:
    """Secret, sealed for this node. It is valid until `until`, or while it is the newest."""

    sealed: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Webhook of an agency. All wanted events up to the agency's sequence number `cursor` were delivered, or have a
    delivery that records their outcome. `suspects` counts deliveries in a row whose first attempt failed: after two of
    them nothing new is tried until one has succeeded. `due_at` is when the next waiting delivery is tried; `slow`: its
    last attempt failed or took long."""

    id: str
    agency_id: str
    url: str
    types: tuple[str, ...]
    scopes: frozenset[ApiScope]
    note: str
    secrets: tuple[KeptSecret, ...]
    created_at: datetime
    created_by: str
    state: EndpointState = EndpointState.ACTIVE
    paused_why: PauseWhy | None = None
    paused_at: datetime | None = None
    cursor: int = 0
    suspects: int = 0
    due_at: datetime | None = None
    last_ok_at: datetime | None = None
    last_try_at: datetime | None = None
    slow: bool = False
    version: int = 1

    @property
    def host(self) -> str:
        """Host of the address, for logs: the rest of the address may contain a secret."""
        return urlsplit(self.url).hostname or ""

    @property
    def next_try_at(self) -> datetime | None:
        """Time of the next attempt; None while a person has to resume it."""
        return self.due_at if self.state is EndpointState.ACTIVE else None

    def paused(self, why: PauseWhy, at: datetime) -> Endpoint:
        """Return the endpoint paused since that moment."""
        return replace(self, state=EndpointState.PAUSED, paused_why=why, paused_at=at)

    @property
    def is_failing(self) -> bool:
        return self.state is EndpointState.ACTIVE and self.suspects >= MOST_SUSPECTS


MOST_SUSPECTS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """Attempt to deliver. `said` is the beginning of the answer, cleaned."""

    at: datetime
    code: TryCode
    status: int | None = None
    took_ms: int = 0
    said: str = ""

    @property
    def is_good(self) -> bool:
        return self.code is TryCode.OK


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookDelivery:
    """Delivery of one event to one endpoint, with its newest attempts; the event itself stays in the log of events.
    `first_at` is the time of the first attempt, reset when a person asks for the delivery again."""

    webhook_id: str
    sequence: int
    event_id: str
    kind: str
    state: DeliveryState
    attempts: int
    first_at: datetime
    at: datetime
    due_at: datetime | None = None
    tries: tuple[Try, ...] = ()

    @property
    def last(self) -> Try | None:
        return self.tries[-1] if self.tries else None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointFigures:
    """Counts of an endpoint's newest finished deliveries by outcome, and of those that wait now."""

    delivered: int = 0
    failed: int = 0
    waiting: int = 0
    behind: int = 0
    """Events of the agency that were not examined for this endpoint yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Destinations that bodies may be sent to. `networks` are allowed besides public ones; `plain` allows http without
    TLS."""

    networks: tuple[Network, ...] = ()
    plain: bool = False


def read_url(text: str, reach: Reach) -> SplitResult:
    """Parse an endpoint's address. Raises BadForm unless it is https with an allowed host."""
    url = text.strip()
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as why:
        raise _bad_url("is no address of a server") from why
    if parts.scheme not in (("https", "http") if reach.plain else ("https",)):
        raise _bad_url("must begin with https://")
    if not host or port == 0 or len(url) > LONGEST_URL or not url.isascii() or not url.isprintable():
        raise _bad_url(f"must name a host and have at most {LONGEST_URL} characters, ASCII alone")
    if " " in url or "\\" in url or parts.fragment or "#" in url or parts.username is not None:
        raise _bad_url("may have no space, no fragment, and no user or password")
    literal = account.read_address(host)
    if literal is None and (not _NAME.fullmatch(host) or host.rpartition(".")[2].isdigit()):
        raise _bad_url("must name a host by its name or its address")
    if literal is not None and not may_reach(literal, reach.networks):
        raise BadForm(
            "the address lies inside of a network that webhooks may not reach",
            code="GW-HOOK-ADDRESS",
            field="url",
            hint="the node's operator may allow it: webhooks.networks",
        )
    return parts


def _bad_url(problem: str) -> BadForm:
    return BadForm(f"the address of a webhook {problem}", code="GW-HOOK-URL", field="url")


def may_reach(address: Address, networks: Collection[Network] = ()) -> bool:
    """Tell whether a body may be sent to this address: on the public Internet, or in one of these networks."""
    if isinstance(address, IPv6Address) and address.scope_id:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if any(address.version == n.version and address in n for n in networks):
        return True
    if isinstance(address, IPv6Address):
        return _is_public_6(address)
    return _is_public_4(address)


def _is_public_4(address: IPv4Address) -> bool:
    if any(address in n for n in _NOT_PUBLIC):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _is_public_6(address: IPv6Address) -> bool:
    """Tell whether an IPv6 address is public. One behind the NAT64 translator is judged by the IPv4 address in it."""
    if address in _NAT64:
        return _is_public_4(IPv4Address(int(address) & 0xFFFFFFFF))
    if address in _SIX_TO_FOUR or address in _TEREDO or address in _DOCUMENTED:
        return False
    return address in _UNICAST and address.is_global


def cleaned(answer: bytes) -> str:
    """Return an endpoint's answer as one line of text, without control characters and possible secrets."""
    text = answer[: 4 * LONGEST_ANSWER].decode("utf-8", "replace")
    plain = "".join(letter if letter.isprintable() else " " for letter in text)
    return _SECRET.sub("***", " ".join(plain.split()))[:LONGEST_ANSWER]
