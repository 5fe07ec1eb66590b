"""API keys of an agency's programs. In: who administers, an agency, a name, scopes, a life time, networks. Out: a key,
its secret told once; another one beside it, so that a program changes over without a pause; or one that opens nothing any
more."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from gateway.domain.account import (
    KEY_SHOWN,
    MOST_KEY_NETWORKS,
    ApiKey,
    ApiScope,
    ClientCertificate,
    KeyWay,
    Network,
    PrincipalKind,
)
from gateway.domain.event import EventKind
from gateway.errors import Clash, NotFound
from gateway.office.accounts.acting import By, over_agency
from gateway.office.desks import AccountDesk

if TYPE_CHECKING:
    from gateway.store.accounts import HostedAccounts

LONGEST = timedelta(days=730)
# What a document system needs every day; what the node's own health says is the operator's to see.
DAILY = (
    *(ApiScope.MESSAGES_SEND, ApiScope.MESSAGES_READ),
    *(ApiScope.INBOX_READ, ApiScope.INBOX_ACT, ApiScope.AGENCIES_READ),
)
OF_AGENCY = frozenset(ApiScope) - {ApiScope.AGENCIES_WRITE}
_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedKey:
    """What is entered of a key; without networks it is good from everywhere. `way` and `certificate` are those of the key
    that it takes the place of: one that a certificate alone opens has no secret to change."""

    name: str
    scopes: frozenset[ApiScope]
    life: timedelta
    networks: tuple[Network, ...] = ()
    way: KeyWay = KeyWay.SECRET
    certificate: ClientCertificate | None = None


async def listed(desk: AccountDesk, book: HostedAccounts, by: By, agency_id: str) -> Sequence[ApiKey]:
    """Those of that agency alone, ended ones too: the last used first, then the newest of those that never were. One that
    serves several agencies is the operator's."""
    async with desk.accounts.read() as view:
        await over_agency(view, by, agency_id, desk.clock.now())
    found = [each for each in await book.list_keys() if each.agency_ids == (agency_id,)]
    return sorted(
        found,
        key=lambda key: (key.used_at.timestamp() if key.used_at else 0.0, key.created_at.timestamp()),
        reverse=True,
    )


async def make(
    desk: AccountDesk,
    book: HostedAccounts,
    by: By,
    agency_id: str,
    wanted: WantedKey,
    *,
    everywhere: bool = False,
) -> tuple[str, ApiKey]:
    """The secret, which nobody can read again, and what is kept of it. `everywhere`: whoever makes it administers the node,
    and may give every scope."""
    now, name = desk.clock.now(), " ".join(wanted.name.split())
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise Clash(f"a key has a name of at most {_LONGEST_NAME} characters", code="GW-KEY-NAME")
    if not wanted.scopes or not (everywhere or wanted.scopes <= OF_AGENCY):
        raise Clash("a key has scopes, and only such as its maker may give", code="GW-KEY-SCOPES")
    if not timedelta() < wanted.life <= LONGEST:
        raise Clash(f"a key lives {LONGEST.days} days at most", code="GW-KEY-LIFE")
    networks = tuple(dict.fromkeys(wanted.networks))
    if len(networks) > MOST_KEY_NETWORKS:
        raise Clash(f"a key has {MOST_KEY_NETWORKS} networks at most", code="GW-KEY-NETWORKS")
    if wanted.way is KeyWay.CERTIFICATE:
        raise Clash("a key that a certificate alone opens has no secret", code="GW-CERT-SECRET")
    async with desk.accounts.begin(by.principal_id) as work:
        await over_agency(work, by, agency_id, now)
        if agency_id not in await work.agency_codes():
            raise NotFound(f"this node does not host agency {agency_id}")
    secret = desk.rules.key_prefix + secrets.token_urlsafe(32)
    key = await book.add_key(
        secret_hash=hashlib.sha256(secret.encode()).hexdigest(),
        principal=await book.principal_for(PrincipalKind.PROGRAM, name, agency_id),
        agency_ids=(agency_id,),
        scopes=wanted.scopes,
        expires_at=now + wanted.life,
        prefix=secret[:KEY_SHOWN],
        networks=networks,
        way=wanted.way,
        certificate=wanted.certificate,
    )
    await _tell(desk, by, EventKind.API_KEY_MADE, key)
    return secret, key


async def revoke(desk: AccountDesk, book: HostedAccounts, by: By, agency_id: str, id: str) -> None:
    """It opens nothing from now on. NotFound for another agency's key."""
    key = await one(desk, book, by, agency_id, id)
    if await book.revoke_key(id):
        await _tell(desk, by, EventKind.API_KEY_REVOKED, key)


async def one(desk: AccountDesk, book: HostedAccounts, by: By, agency_id: str, id: str) -> ApiKey:
    """NotFound for another agency's."""
    found = next((each for each in await listed(desk, book, by, agency_id) if each.id == id), None)
    if found is None:
        raise NotFound(f"there is no API key {id}")
    return found


async def _tell(desk: AccountDesk, by: By, kind: EventKind, key: ApiKey) -> None:
    async with desk.changing(by.principal_id) as (work, now):
        told = {
            "agency": key.agency_ids[0],
            "name": key.principal.name,
            "scopes": sorted(key.scopes),
            "networks": [str(each) for each in key.networks],
            "expires_at": key.expires_at.isoformat() if key.expires_at else None,
        }
        await work.events.append(kind, key.id, now, told)
