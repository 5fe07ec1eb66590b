"""Which document system calls, by the code over its headers, and what one call of it is as the handlers see it. In: a
request; the credentials of systems, their secrets sealed. Out: a `VxpCall`, or a refusal that says no more than whoever
lacks the secret may know.

The time stamp is made once by the library and may be days old, so it bounds a replay only where the settings ask for
it; what is sent twice is one document, and what is settled stays so (threats.md, the compatibility door)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from aiohttp import web

from gateway.api.caller import EXPIRED, KEY_ID, REVOKED, Caller
from gateway.api.deps import ApiDeps
from gateway.api.problems import BadCall, RequestFault
from gateway.api.words import Lang
from gateway.domain import account, vxp
from gateway.domain.account import Address, AgencyScope, ApiKey, HostedAgency
from gateway.domain.vxp import NotSigned
from gateway.errors import Denied, NotFound
from gateway.incoming.box import Reader
from gateway.store.accounts import HostedAccounts
from gateway.trust.sealing import SystemSecretBox

T = TypeVar("T")
# What nobody's secret is: who does not exist is refused after the same work as who has another secret.
_NOBODY = "no secret"
_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class VxpDeps:
    """`fresh` is how old a time stamp may be; nothing: any. Sent lists go back for `sent`."""

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
    """One signed call. `said` are its parameters by their names in small letters; what an operation does not use is left
    alone, as they stick."""

    request: web.Request
    deps: VxpDeps
    caller: Caller
    said: Mapping[str, str]
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

    def agency_named(self, code: str) -> HostedAgency | None:
        """One that this system serves, by its code or one of before."""
        return HostedAgency.called(code, self.agencies)

    async def of_any(self, ask: Callable[[Reader], Awaitable[T]]) -> T:
        """From the first of its agencies that has it."""
        for agency in self.agencies:
            try:
                return await ask(self.reader(agency))
            except NotFound:
                continue
        doc_id = self.doc_id[:_LONGEST_NAME]
        raise NotFound(
            f"there is no docId {doc_id!r} for this system",
            code="GW-NO-DOC-ID",
            told={"document": doc_id or "–"},
        )

    @property
    def doc_id(self) -> str:
        return self.said.get("docid", "").strip()


def named_system(request: web.Request) -> str:
    """Whom it says it is: for counting guesses."""
    return request.headers.get("XroadVnpt-systemid", "")[:_LONGEST_NAME]


async def who_calls(
    request: web.Request, deps: VxpDeps, address: Address | None
) -> tuple[Caller, Mapping[str, str]]:
    """The system, and the signed parameters. Denied as for API keys."""
    try:
        headers = vxp.by_name(request.headers.items())
    except NotSigned as why:
        raise _odd(why) from why
    known = await deps.keys.keys_of_system(headers.get(f"{vxp.PREFIX}systemid", ""))
    secrets = await deps.api.pool.run(lambda: [deps.secrets.opened(each) for each in known])
    place = vxp.signed_by(headers, secrets or [_NOBODY])
    if place is None or not known:
        raise Denied("systemid or secret is wrong")
    key = known[place]
    _refuse_ended(key, deps)
    request[KEY_ID] = key.id
    if not account.networks_admit(key.networks, address):
        raise Denied("this credential may not be used from this address", code="GW-403-ADDRESS")
    try:
        said = vxp.signed_parameters(headers)
        stamped_at = vxp.stamped_at(said)
    except NotSigned as why:
        raise _odd(why) from why
    if deps.fresh and abs(deps.api.clock.now() - stamped_at) > deps.fresh:
        hours = str(round(deps.fresh / timedelta(hours=1)))
        raise BadCall("unauthorized", RequestFault(code="vxp-old", params={"hours": hours}))
    await deps.keys.touch(key)
    served = tuple(each for each in await deps.api.store.hosted() if each.id in key.agency_ids)
    return Caller(key=key, agencies=served, agency=None), said


def _refuse_ended(key: ApiKey, deps: VxpDeps) -> None:
    """Who has the secret of what was good learns why it no longer is."""
    if key.revoked_at is not None:
        raise Denied("the credential was revoked; ask the node's administrator for another one", code=REVOKED)
    if key.expires_at is not None and key.expires_at <= deps.api.clock.now():
        raise Denied("the credential has expired; ask the node's administrator for another one", code=EXPIRED)


def _odd(why: NotSigned) -> BadCall:
    return BadCall("unauthorized", RequestFault(code=f"vxp-signing-{why.key}"))
