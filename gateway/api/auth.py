"""Says who is calling and for which agency. In: the Authorization and X-Agency headers. Out: a `Caller`, or Denied. Keys
are looked up by their SHA-256, so the node never holds one; what another agency has is never confirmed or denied."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web

from gateway.api.deps import Accounts, KeyGrant
from gateway.api.failing import BadCall, Fault
from gateway.domain.account import AgencyScope, ApiScope, HostedAgency
from gateway.errors import Denied
from gateway.ports import Clock

PREFIX = "gwk_"
_LONGEST = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The program that calls, what its key allows, and the agency it speaks for in this call."""

    grant: KeyGrant
    agency: HostedAgency | None

    @property
    def client(self) -> str:
        """The name that leases are taken under."""
        return self.grant.key_id

    def scope(self) -> AgencyScope:
        """The one agency of this call. A key that serves several must say which."""
        if self.agency is None:
            codes = ", ".join(agency.code for agency in self.grant.agencies)
            raise BadCall("agency-needed", Fault(code="agency-needed", params={"codes": codes}))
        return AgencyScope(agency_id=self.agency.id, principal_id=self.grant.principal.id)

    def may(self, scope: ApiScope) -> None:
        """Denied (403) when the key lacks the scope."""
        if scope not in self.grant.scopes:
            raise Denied(f"this key lacks the scope {scope}", code="GW-403-SCOPE")


async def caller(
    request: web.Request, accounts: Accounts, clock: Clock, scopes: Sequence[ApiScope]
) -> Caller:
    """Who calls. Denied: 401 without a good key, 403 when the key lacks a scope or does not serve the agency named."""
    grant = await accounts.find_key(_secret_hash(request), clock.now())
    if grant is None:
        raise Denied("the key is not known, has expired or was revoked")
    known = Caller(grant=grant, agency=_agency(request, grant))
    for scope in scopes:
        known.may(scope)
    return known


def _secret_hash(request: web.Request) -> str:
    kind, _, secret = request.headers.get("Authorization", "").partition(" ")
    secret = secret.strip()
    if kind.casefold() != "bearer" or not secret.startswith(PREFIX) or len(secret) > _LONGEST:
        raise Denied("expected the header Authorization: Bearer gwk_…")
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def _agency(request: web.Request, grant: KeyGrant) -> HostedAgency | None:
    """The agency named, by its code or an alias; without a name the only one there is. A code that the key does not
    serve is answered alike whether this node hosts it or not."""
    named = request.headers.get("X-Agency")
    if named is None:
        return grant.agencies[0] if len(grant.agencies) == 1 else None
    wanted = named.strip().casefold()
    for agency in grant.agencies:
        if wanted in {agency.code.casefold(), *(alias.casefold() for alias in agency.aliases)}:
            return agency
    raise Denied("this key does not serve the agency named in X-Agency", code="GW-403-AGENCY")
