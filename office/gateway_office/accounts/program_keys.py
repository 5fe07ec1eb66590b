"""API keys of an agency's programs. In: the administrator, an agency, a name, scopes, a life time, networks. Out: a key,
its secret shown once; a second one, so that a program changes over without a pause; or a revoked one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from gateway import random_source
from gateway.domain.account import (
    KEY_PREFIX_LENGTH,
    MOST_KEY_NETWORKS,
    ApiKey,
    ApiScope,
    ClientCertificate,
    KeyAuth,
    Network,
    PrincipalKind,
)
from gateway.domain.event import EventKind
from gateway.errors import Clash, NotFound
from gateway_office.accounts.acting import Administrator, over_agency
from gateway_office.services import AccountServices

if TYPE_CHECKING:
    from gateway.store.accounts import HostedAccounts

LONGEST = timedelta(days=730)
# The daily needs of a document system; the node's own health is for its operator.
DAILY = (
    ApiScope.MESSAGES_SEND,
    ApiScope.MESSAGES_READ,
    ApiScope.INBOX_READ,
    ApiScope.INBOX_ACT,
    ApiScope.AGENCIES_READ,
)
OF_AGENCY = frozenset(ApiScope) - {ApiScope.AGENCIES_WRITE}
_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedKey:
    """Entry of a key; without networks it is valid from everywhere. `key_kind` and `certificate` are those of the key that
    it replaces: a key of a certificate alone has no secret to change."""

    name: str
    scopes: frozenset[ApiScope]
    life: timedelta
    networks: tuple[Network, ...] = ()
    key_kind: KeyAuth = KeyAuth.SECRET
    certificate: ClientCertificate | None = None


async def listed(
    services: AccountServices, book: HostedAccounts, by: Administrator, agency_id: str
) -> Sequence[ApiKey]:
    """List the keys of that agency alone, ended ones too: the last used first, then the newest unused ones. A key that
    serves several agencies is the operator's."""
    async with services.accounts.read() as view:
        await over_agency(view, by, agency_id, services.clock.now())
    keys = [k for k in await book.list_keys() if k.agency_ids == (agency_id,)]
    return sorted(
        keys,
        key=lambda key: (key.used_at.timestamp() if key.used_at else 0.0, key.created_at.timestamp()),
        reverse=True,
    )


async def make(
    services: AccountServices,
    book: HostedAccounts,
    by: Administrator,
    agency_id: str,
    wish: WantedKey,
    *,
    everywhere: bool = False,
) -> tuple[str, ApiKey]:
    """Make a key and return its secret, which cannot be read again, and its record. `everywhere`: the maker administers the
    node, and may give every scope."""
    now, name = services.clock.now(), " ".join(wish.name.split())
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise Clash(f"a key has a name of at most {_LONGEST_NAME} characters", code="GW-KEY-NAME")
    if not wish.scopes or not (everywhere or wish.scopes <= OF_AGENCY):
        raise Clash("a key has scopes, and only such as its maker may give", code="GW-KEY-SCOPES")
    if not timedelta() < wish.life <= LONGEST:
        raise Clash(f"a key lives {LONGEST.days} days at most", code="GW-KEY-LIFE")
    networks = tuple(dict.fromkeys(wish.networks))
    if len(networks) > MOST_KEY_NETWORKS:
        raise Clash(f"a key has {MOST_KEY_NETWORKS} networks at most", code="GW-KEY-NETWORKS")
    if wish.key_kind is KeyAuth.CERTIFICATE:
        raise Clash("a key that a certificate alone opens has no secret", code="GW-CERT-SECRET")
    async with services.accounts.begin(by.principal_id) as work:
        await over_agency(work, by, agency_id, now)
        if agency_id not in await work.agency_codes():
            raise NotFound(f"this node does not host agency {agency_id}")
    secret = services.rules.key_prefix + random_source.token_urlsafe(32)
    key = await book.add_key(
        secret_hash=hashlib.sha256(secret.encode()).hexdigest(),
        principal=await book.principal_for(PrincipalKind.PROGRAM, name, agency_id),
        agency_ids=(agency_id,),
        scopes=wish.scopes,
        expires_at=now + wish.life,
        prefix=secret[:KEY_PREFIX_LENGTH],
        networks=networks,
        way=wish.key_kind,
        certificate=wish.certificate,
    )
    await _record(services, by, EventKind.API_KEY_CREATED, key)
    return secret, key


async def revoke(
    services: AccountServices, book: HostedAccounts, by: Administrator, agency_id: str, id: str
) -> None:
    """Revoke a key. Raise NotFound for another agency's key."""
    key = await find_key(services, book, by, agency_id, id)
    if await book.revoke_key(id):
        await _record(services, by, EventKind.API_KEY_REVOKED, key)


async def find_key(
    services: AccountServices, book: HostedAccounts, by: Administrator, agency_id: str, id: str
) -> ApiKey:
    """Load a key. Raise NotFound for another agency's."""
    key = next((k for k in await listed(services, book, by, agency_id) if k.id == id), None)
    if key is None:
        raise NotFound(f"there is no API key {id}")
    return key


async def _record(services: AccountServices, by: Administrator, kind: EventKind, key: ApiKey) -> None:
    async with services.changing(by.principal_id) as (work, now):
        details = {
            "agency": key.agency_ids[0],
            "name": key.principal.name,
            "scopes": sorted(key.scopes),
            "networks": [str(network) for network in key.networks],
            "expires_at": key.expires_at.isoformat() if key.expires_at else None,
        }
        await work.events.append(kind, key.id, now, details)
