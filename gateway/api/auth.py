"""Says who is calling and for which agency. In: the Authorization and X-Agency headers, and from where. Out: a `Caller`, or
Denied. Keys are looked up by their SHA-256, so the node never holds one; what another agency has is never confirmed or
denied, nor anything of a key to whoever lacks its secret."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web

from gateway.api.deps import ApiDeps
from gateway.api.failing import BadCall, Fault
from gateway.domain import networks
from gateway.domain.account import KEY_PREFIX, AgencyScope, ApiKey, ApiScope, HostedAgency
from gateway.domain.networks import Address
from gateway.errors import Denied

REVOKED, EXPIRED = "GW-401-REVOKED", "GW-401-EXPIRED"
_LONGEST = 512
KEY = web.RequestKey("key_id", str)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The program that calls, the agencies its key serves, and the one it speaks for in this call."""

    key: ApiKey
    agencies: tuple[HostedAgency, ...]
    agency: HostedAgency | None

    def scope(self) -> AgencyScope:
        """The one agency of this call. A key that serves several must say which."""
        if self.agency is None:
            codes = ", ".join(agency.code for agency in self.agencies)
            raise BadCall("agency-needed", Fault(code="agency-needed", params={"codes": codes}))
        return AgencyScope(agency_id=self.agency.id, principal_id=self.key.principal.id)

    def may(self, *scopes: ApiScope, one_is_enough: bool = False) -> None:
        """Denied (403) when the key lacks one of the scopes, or all of them where one is enough."""
        lacking = [scope for scope in scopes if scope not in self.key.scopes]
        if lacking and not (one_is_enough and len(lacking) < len(scopes)):
            raise Denied(f"this key lacks the scope {', '.join(lacking)}", code="GW-403-SCOPE")


async def caller(request: web.Request, deps: ApiDeps, address: Address | None) -> Caller:
    """Who calls. Denied: 401 without a good key, 403 when the key is not good from that address, or does not serve the
    agency named."""
    secret_hash = _secret_hash(request)
    key = await deps.accounts.find_key(secret_hash)
    if key is None:
        raise await _why_not(deps, secret_hash)
    request[KEY] = key.id
    if not networks.admit(key.networks, address):
        raise Denied("this key may not be used from this address", code="GW-403-ADDRESS")
    served = tuple(agency for agency in await deps.store.hosted() if agency.id in key.agency_ids)
    return Caller(key=key, agencies=served, agency=_agency(request, served))


async def _why_not(deps: ApiDeps, secret_hash: str) -> Denied:
    """Whoever has the secret of a key that was good learns why it no longer is; nobody else learns that there was one."""
    ended = await deps.accounts.ended_key(secret_hash)
    if ended is None:
        return Denied("the key is not known")
    if ended.revoked_at is not None:
        return Denied("the key was revoked; ask the agency's administrator for another one", code=REVOKED)
    return Denied("the key has expired; ask the agency's administrator for another one", code=EXPIRED)


def _secret_hash(request: web.Request) -> str:
    kind, _, secret = request.headers.get("Authorization", "").partition(" ")
    secret = secret.strip()
    if kind.casefold() != "bearer" or not secret.startswith(KEY_PREFIX) or len(secret) > _LONGEST:
        raise Denied("expected the header Authorization: Bearer gwk_…")
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def _agency(request: web.Request, served: Sequence[HostedAgency]) -> HostedAgency | None:
    """The agency named, by its code or an alias; without a name the only one there is. A code that the key does not
    serve is answered alike whether this node hosts it or not."""
    named = request.headers.get("X-Agency")
    if named is None:
        return served[0] if len(served) == 1 else None
    wanted = named.strip().casefold()
    for agency in served:
        if wanted in {agency.code.casefold(), *(alias.casefold() for alias in agency.aliases)}:
            return agency
    raise Denied("this key does not serve the agency named in X-Agency", code="GW-403-AGENCY")
