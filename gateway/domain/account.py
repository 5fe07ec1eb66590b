"""Principals, scopes of programs, API keys with the conditions of their use, their calls, and the one agency that a unit
of work is for. Frozen values. Pure.

A network is parsed from one address or from CIDR form; an IPv4 address in the form of an IPv6 one is that IPv4 address.
The record of a call has its route and result, never its content."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

_MAPPED = IPv6Network("::ffff:0:0/96")
KEY_PREFIX = "gwk_"
"""Prefix of the secret of every API key."""
TRIAL_KEY_PREFIX = "sbx_"
"""Prefix on a trial node, so that keys of the two kinds cannot be confused."""
KEY_PREFIX_LENGTH = 10
"""Leading characters that are stored readable, to tell keys apart."""
MOST_KEY_NETWORKS = 20
MOST_CALLS_OF_A_KEY = 10_000
"""Older calls of the same key are deleted, whatever their age."""


def read_network(text: str) -> Network:
    """Parse a network. ValueError for an invalid one, one with a zone, or one with bits set behind its prefix, such as
    10.1.2.3/24."""
    if "%" in text:
        raise ValueError(f"{text} has a zone")
    network = ip_network(text.strip())
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        inside = int(network.network_address) - int(_MAPPED.network_address)
        return IPv4Network((inside, network.prefixlen - _MAPPED.prefixlen))
    return network


def read_address(text: str) -> Address | None:
    """Parse an address; None for an invalid one."""
    try:
        address = ip_address(text.strip())
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def networks_admit(networks: Collection[Network], caller: Address | None) -> bool:
    """Tell whether the caller is in one of the networks. An empty list admits everyone, an unknown caller is in none."""
    return not networks or (caller is not None and any(caller in n for n in networks))


def shown_network(network: Network) -> str:
    """Format a network; a single address without its prefix."""
    return str(network.network_address if network.num_addresses == 1 else network)


class PrincipalKind(StrEnum):
    PERSON = "person"
    PROGRAM = "program"
    OPERATOR = "operator"
    NODE = "node"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Actor that events, keys and documents refer to."""

    id: str
    kind: PrincipalKind
    name: str
    agency_id: str | None = None


class ApiScope(StrEnum):
    """Permission of an API key."""

    MESSAGES_SEND = "messages:send"
    MESSAGES_READ = "messages:read"
    INBOX_READ = "inbox:read"
    INBOX_ACT = "inbox:act"
    AGENCIES_READ = "agencies:read"
    AGENCIES_WRITE = "agencies:write"
    EVIDENCE_READ = "evidence:read"
    WEBHOOKS_MANAGE = "webhooks:manage"


def key_prefix(trial: str) -> str:
    """Return the prefix of keys for the setting `node.trial`."""
    return TRIAL_KEY_PREFIX if trial == "on" else KEY_PREFIX


class KeyAuth(StrEnum):
    """Proof that a call must bring for a key: its secret, a client certificate, or both."""

    SECRET = "secret"  # noqa: S105 - a way, no secret
    CERTIFICATE = "certificate"
    BOTH = "both"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCertificate:
    """TLS certificate of a program. `sha256` is that of its DER, in hexadecimal (RFC 8705: x5t#S256); `name` is for
    people."""

    sha256: str
    name: str
    begins_at: datetime
    ends_at: datetime

    def is_good(self, at: datetime) -> bool:
        """Tell whether the certificate's own dates include that time; the server that ends TLS judges its chain."""
        return self.begins_at <= at < self.ends_at


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """Key of a program, with its permissions and agencies. Only the program has its secret; `prefix` is the secret's
    readable beginning. `used_at` is exact to a minute. Without `networks` it works from everywhere. `way` is the proof
    that it needs; `certificate` is the one certificate that it accepts, if it needs one. `system` is the document
    system's own name; that system's secret is stored, sealed, because it signs calls. `earlier_ends_at` is the end of the
    secret before this one, which is valid until then."""

    id: str
    principal: Principal
    agency_ids: tuple[str, ...]
    scopes: frozenset[ApiScope]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    prefix: str = ""
    used_at: datetime | None = None
    networks: tuple[Network, ...] = ()
    way: KeyAuth = KeyAuth.SECRET
    certificate: ClientCertificate | None = None
    system: str | None = None
    sealed: str | None = field(default=None, repr=False)
    earlier_ends_at: datetime | None = None

    def has_ended(self, at: datetime) -> bool:
        return self.state(at) != "active"

    def state(self, at: datetime) -> str:
        """Return the key's state at that time as a word of the labels: active, expired or revoked."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= at else "active"


class NumberingMode(StrEnum):
    """Source of arrival numbers: the document system (A), the node's own book (B), or a clerk (C)."""

    A = "A"
    B = "B"
    C = "C"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedAgency:
    """Agency that this node hosts, or hosted until `left_at`; its documents stay."""

    id: str
    code: str
    name: str
    numbering: NumberingMode = NumberingMode.A
    aliases: tuple[str, ...] = ()
    parent_name: str | None = None
    email: str | None = None
    answer_recall: bool = True
    left_at: datetime | None = None

    @staticmethod
    def called(name: str, agencies: Iterable[HostedAgency]) -> HostedAgency | None:
        """Find the agency with that code or alias, without regard to letter case."""
        key = name.strip().casefold()
        codes = ((agency, (agency.code, *agency.aliases)) for agency in agencies)
        return next((agency for agency, names in codes if key in map(str.casefold, names)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgencyScope:
    """Agency whose rows a unit of work may see, and the acting principal."""

    agency_id: str
    principal_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiCall:
    """Call of the API. `route` is the address with the names of its placeholders, not their values. `problem` is the kind
    of a refusal, empty for a call that succeeded."""

    id: str
    key_id: str
    at: datetime
    method: str
    route: str
    status: int
    took_ms: int
    problem: str
    address: str
    request_id: str
    trace_id: str = ""

    @property
    def is_error(self) -> bool:
        return self.status >= 400


@dataclass(frozen=True, slots=True, kw_only=True)
class CallCount:
    """Number of calls of one key since some moment, and of errors among them."""

    calls: int = 0
    errors: int = 0
