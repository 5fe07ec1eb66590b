"""Who acts: principals, the scopes of programs, and the one agency a unit of work is for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gateway.domain.networks import Network


class PrincipalKind(StrEnum):
    PERSON = "person"
    PROGRAM = "program"
    OPERATOR = "operator"
    NODE = "node"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who did it; events, keys and documents refer to this."""

    id: str
    kind: PrincipalKind
    name: str
    agency_id: str | None = None


class ApiScope(StrEnum):
    """What an API key may do (interfaces.md 3.2)."""

    MESSAGES_SEND = "messages:send"
    MESSAGES_READ = "messages:read"
    INBOX_READ = "inbox:read"
    INBOX_ACT = "inbox:act"
    AGENCIES_READ = "agencies:read"
    AGENCIES_WRITE = "agencies:write"
    EVIDENCE_READ = "evidence:read"


KEY_PREFIX = "gwk_"
"""With which the secret of every API key begins."""
KEY_SHOWN = 10
"""So much of it is kept readable, to tell keys apart."""
MOST_KEY_NETWORKS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """What a program's key may do, and for which agencies. Its secret is known to nobody but the program; `prefix` is how
    it begins, for telling keys apart. `used_at` is known to a minute. Without `networks` it is good from everywhere."""

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


class NumberingMode(StrEnum):
    """Who gives the arrival number (interfaces.md 1.6)."""

    A = "A"
    B = "B"
    C = "C"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedAgency:
    """An agency that this node speaks for; or spoke for, until `left_at`: what it sent and received stays."""

    id: str
    code: str
    name: str
    numbering: NumberingMode = NumberingMode.A
    aliases: tuple[str, ...] = ()
    parent_name: str | None = None
    email: str | None = None
    answer_recall: bool = True
    left_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgencyScope:
    """The one agency whose rows a unit of work may see, and who is acting."""

    agency_id: str
    principal_id: str
