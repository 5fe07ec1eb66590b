"""Identify the caller and its agency. In: a request with its headers Authorization and X-Agency, its address, and the
client certificate that TLS proved. Out: the `Caller`, or a refusal. A key is opened by its secret, by the certificate that
is bound to it, or by both. Secrets are looked up by their SHA-256, so the node never stores one; other agencies' data is
never confirmed or denied, nor anything about a key to callers that cannot open it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from gateway.api.deps import ApiDeps
from gateway.domain import account
from gateway.domain.account import (
    KEY_PREFIX,
    TRIAL_KEY_PREFIX,
    Address,
    AgencyScope,
    ApiKey,
    ApiScope,
    ClientCertificate,
    HostedAgency,
    KeyAuth,
)
from gateway.domain.request_fault import BadCall, RequestFault
from gateway.errors import Denied

REVOKED, EXPIRED = "GW-401-REVOKED", "GW-401-EXPIRED"
OTHER_WORLD = "GW-401-TRIAL"
CERTIFICATE, CERTIFICATE_TIME = "GW-401-CERTIFICATE", "GW-401-CERTIFICATE-TIME"
_LONGEST = 512
_PREFIXES = (KEY_PREFIX, TRIAL_KEY_PREFIX)
KEY_ID = web.RequestKey("key_id", str)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The calling program, the agencies that its key serves, and the one that it speaks for in this call."""

    key: ApiKey
    agencies: tuple[HostedAgency, ...]
    agency: HostedAgency | None

    def scope(self) -> AgencyScope:
        """Return the scope of this call's agency. A key that serves several must name one."""
        if self.agency is None:
            codes = ", ".join(agency.code for agency in self.agencies)
            raise BadCall("agency-needed", RequestFault(code="agency-needed", params={"codes": codes}))
        return AgencyScope(agency_id=self.agency.id, principal_id=self.key.principal.id)

    def may(self, *scopes: ApiScope, one_is_enough: bool = False) -> None:
        """Raise Denied (403) when the key lacks one of the scopes, or all of them where one is enough."""
        lacking = [scope for scope in scopes if scope not in self.key.scopes]
        if lacking and not (one_is_enough and len(lacking) < len(scopes)):
            raise Denied(f"this key lacks the scope {', '.join(lacking)}", code="GW-403-SCOPE")


async def identify_caller(
    request: web.Request,
    deps: ApiDeps,
    address: Address | None,
    certificate: ClientCertificate | None = None,
) -> Caller:
    """Identify the caller; `certificate` was proved in TLS. Denied: 401 without what opens a key, 403 when the key is not
    valid from that address, or does not serve the named agency."""
    if certificate is not None and "Authorization" not in request.headers:
        key = await _key_of_certificate(certificate, deps)
    else:
        key = await _key_of_secret(_secret_hash(request, deps.options.key_prefix), deps)
    request[KEY_ID] = key.id
    if key.way is not KeyAuth.SECRET:
        _need_certificate(key, certificate, deps.clock.now())
    if not account.networks_admit(key.networks, address):
        raise Denied("this key may not be used from this address", code="GW-403-ADDRESS")
    served = tuple(agency for agency in await deps.store.hosted() if agency.id in key.agency_ids)
    return Caller(key=key, agencies=served, agency=_named_agency(request, served))


async def _key_of_secret(secret_hash: str, deps: ApiDeps) -> ApiKey:
    """Find the key of a secret. Only a caller with the secret of an ended key learns that it ended."""
    key = await deps.accounts.find_key(secret_hash)
    if key is not None:
        return key
    ended_key = await deps.accounts.ended_key(secret_hash)
    raise Denied("the key is not known") if ended_key is None else _ended_error(ended_key)


async def _key_of_certificate(certificate: ClientCertificate, deps: ApiDeps) -> ApiKey:
    """Find the one key that the certificate alone opens. A key that also asks for its secret is not mentioned."""
    keys, now = await deps.accounts.keys_of_certificate(certificate.sha256), deps.clock.now()
    live = [k for k in keys if not k.has_ended(now)]
    if len(live) == 1:
        await deps.accounts.touch(live[0])
        return live[0]
    if keys and not live:
        raise _ended_error(keys[-1])
    raise Denied("this certificate alone opens no key; send the header Authorization too, or have it bound")


def _need_certificate(key: ApiKey, certificate: ClientCertificate | None, now: datetime) -> None:
    """Require the key's own certificate, within its dates. The proxy that ended TLS has checked the chain."""
    expected = key.certificate
    if certificate is None or expected is None or certificate.sha256 != expected.sha256:
        raise Denied(
            "this key is good with the client certificate that is bound to it alone; call the node's TLS address with that "
            "certificate, or ask the agency's administrator to bind yours",
            code=CERTIFICATE,
        )
    if not expected.is_good(now):
        raise Denied(
            "the client certificate has ended, or is not good yet; ask the agency's administrator to bind a new one",
            code=CERTIFICATE_TIME,
        )


def _ended_error(key: ApiKey) -> Denied:
    if key.revoked_at is not None:
        return Denied("the key was revoked; ask the agency's administrator for another one", code=REVOKED)
    return Denied("the key has expired; ask the agency's administrator for another one", code=EXPIRED)


def _secret_hash(request: web.Request, prefix: str) -> str:
    """Return the hash of a key of this kind of node. A trial key is refused by a real node by its prefix alone, and the
    other way round, before a lookup."""
    kind, _, secret = request.headers.get("Authorization", "").partition(" ")
    secret = secret.strip()
    if kind.casefold() == "bearer" and secret.startswith(_PREFIXES) and not secret.startswith(prefix):
        raise Denied(f"keys of this node begin with {prefix}: a trial node is no real node", code=OTHER_WORLD)
    if kind.casefold() != "bearer" or not secret.startswith(prefix) or len(secret) > _LONGEST:
        raise Denied(f"expected the header Authorization: Bearer {prefix}…")
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def _named_agency(request: web.Request, served: Sequence[HostedAgency]) -> HostedAgency | None:
    """Return the agency named by code or alias; without a name the only one. An unserved code gets the same answer whether
    this node hosts it or not."""
    given_code = request.headers.get("X-Agency")
    if given_code is None:
        return served[0] if len(served) == 1 else None
    if (agency := HostedAgency.called(given_code, served)) is None:
        raise Denied("this key does not serve the agency named in X-Agency", code="GW-403-AGENCY")
    return agency


def is_secure(request: web.Request) -> bool:
    """Tell whether the caller speaks TLS. The last proxy's header counts; a lie there only makes a cookie stricter."""
    scheme = request.headers.get("X-Forwarded-Proto", "").rpartition(",")[2].strip()
    return request.secure or scheme == "https"


def origin(request: web.Request) -> str:
    """Return the address of the node, as this caller wrote it."""
    return f"{'https' if is_secure(request) else 'http'}://{request.host}"
