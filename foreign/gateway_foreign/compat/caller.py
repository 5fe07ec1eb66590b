"""Identify the calling document system by the code over its headers, and give handlers its call. In: a request; the
credentials of systems, their secrets sealed. Out: a `VxpCall`, or a refusal that reveals nothing to callers without the
secret. The library makes the time stamp once, and it may be days old, so it bounds a replay only where the settings ask for
it; a repeated sending is one document, and a settled one stays so (threats.md, the compatibility door)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from aiohttp import web

from gateway.api.caller import EXPIRED, KEY_ID, REVOKED, Caller
from gateway.api.deps import ApiDeps
from gateway.api.words import Lang
from gateway.domain import account
from gateway.domain.account import Address, AgencyScope, ApiKey, HostedAgency
from gateway.domain.request_fault import BadCall, RequestFault
from gateway.errors import Denied, NotFound
from gateway.store.accounts import HostedAccounts
from gateway_foreign.compat.hand_over import Reader
from gateway_foreign.compat.secret_box import SystemSecretBox
from gateway_foreign.vxp import wire
from gateway_foreign.vxp.wire import NotSigned

T = TypeVar("T")
# Not a secret of any system: an unknown name is refused after the same work as a wrong secret.
_PLACEHOLDER = "no secret"
_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class VxpDeps:
    """Dependencies of these calls. `fresh` is how old a time stamp may be; zero: any. Sent lists go back for `sent`."""

    api: ApiDeps
    keys: HostedAccounts
    secrets: SystemSecretBox
    fresh: timedelta = timedelta()
    sent: timedelta = timedelta(days=30)

    @property
    def lease(self) -> timedelta:
        return timedelta(seconds=self.api.options.lease_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class VxpCall:
    """One signed call. `params` are its parameters by lower-case name; ones that an operation does not use are ignored, as
    they stick."""

    request: web.Request
    deps: VxpDeps
    caller: Caller
    params: Mapping[str, str]
    lang: Lang

    @property
    def system(self) -> str:
        return self.caller.key.system or ""

    @property
    def agencies(self) -> Sequence[HostedAgency]:
        return self.caller.agencies

    def scope(self, agency: HostedAgency) -> AgencyScope:
        return AgencyScope(agency_id=agency.id, principal_id=self.caller.key.principal.id)

    def reader(self, agency: HostedAgency) -> Reader:
        return Reader(system=self.system, scope=self.scope(agency))

    def served_agency(self, code: str) -> HostedAgency | None:
        """Return an agency that this system serves, by its code or a former one."""
        return HostedAgency.called(code, self.agencies)

    async def of_any(self, ask: Callable[[Reader], Awaitable[T]]) -> T:
        """Ask its agencies in turn; return the first answer."""
        for agency in self.agencies:
            try:
                return await ask(self.reader(agency))
            except NotFound:
                continue
        doc_id = self.doc_id[:_LONGEST_NAME]
        raise NotFound(
            f"there is no docId {doc_id!r} for this system",
            code="GW-NO-DOC-ID",
            params={"document": doc_id or "–"},
        )

    @property
    def doc_id(self) -> str:
        return self.params.get("docid", "").strip()


def named_system(request: web.Request) -> str:
    """Return the name that the caller claims, for counting guesses."""
    return request.headers.get("XroadVnpt-systemid", "")[:_LONGEST_NAME]


async def who_calls(
    request: web.Request, deps: VxpDeps, address: Address | None
) -> tuple[Caller, Mapping[str, str]]:
    """Identify the system, and return the signed parameters. Denied as for API keys."""
    try:
        headers = wire.by_name(request.headers.items())
    except NotSigned as error:
        raise _signing_error(error) from error
    system_keys = await deps.keys.keys_of_system(headers.get(f"{wire.PREFIX}systemid", ""))
    secrets = await deps.api.pool.run(lambda: [deps.secrets.opened(k) for k in system_keys])
    place = wire.signed_by(headers, secrets or [_PLACEHOLDER])
    if place is None and wire.has_lost_letters(headers):
        raise _signing_error(NotSigned("letters", "a header has letters that the library cannot send"))
    if place is None or not system_keys:
        raise Denied("systemid or secret is wrong")
    key = system_keys[place]
    _refuse_ended(key, deps)
    request[KEY_ID] = key.id
    if not account.networks_admit(key.networks, address):
        raise Denied("this credential may not be used from this address", code="GW-403-ADDRESS")
    try:
        params = wire.signed_parameters(headers)
        stamped_at = wire.stamped_at(params)
    except NotSigned as error:
        raise _signing_error(error) from error
    if deps.fresh and abs(deps.api.clock.now() - stamped_at) > deps.fresh:
        hours = str(round(deps.fresh / timedelta(hours=1)))
        raise BadCall("unauthorized", RequestFault(code="vxp-old", params={"hours": hours}))
    await deps.keys.touch(key)
    served = tuple(a for a in await deps.api.store.hosted() if a.id in key.agency_ids)
    return Caller(key=key, agencies=served, agency=None), params


def _refuse_ended(key: ApiKey, deps: VxpDeps) -> None:
    """Refuse an ended key, with the reason, as the caller has its secret."""
    if key.revoked_at is not None:
        raise Denied("the credential was revoked; ask the node's administrator for another one", code=REVOKED)
    if key.expires_at is not None and key.expires_at <= deps.api.clock.now():
        raise Denied("the credential has expired; ask the node's administrator for another one", code=EXPIRED)


def _signing_error(error: NotSigned) -> BadCall:
    return BadCall("unauthorized", RequestFault(code=f"vxp-signing-{error.key}"))
