"""What the certificates bound to codes rest on: issuers of lists with the policy for each, received lists with the outcome
of their rows, and the sources of all bindings with their age. In: an issuer, a list's number, a batch of bindings, the
person's proof in the same form. Out: pages; a proposal for a second person to approve a policy or a whole list; or at once
what only takes trust away: a recalled policy, an officer struck off, the end of a list's bindings."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.deciding import delegation
from gateway.deciding.delegation import JudgedList
from gateway.domain.axis_list import AxisList, AxisListState
from gateway.domain.delegated import AGENCY, EXCHANGE
from gateway.domain.person import DelegationChange
from gateway.domain.wall_clock import day_text
from gateway.errors import Clash, NotFound
from gateway.registry_authoring.axis_lists import FETCHED_FEED, list_all
from gateway.registry_authoring.receipts import AwaitedChange, NodeStanding, Overview, SqlReceipts
from gateway_office.node.exchange import certificate_facts
from gateway_office.web.addresses import url_for
from gateway_office.web.forms import Problems
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.pages.agencies import common
from gateway_office.web.pages.agencies.common import both, get
from gateway_office.web.pages.agencies.proposals import LIST, TRUSTS, VIEWS, list_values

SOURCES = "/co-quan/nguon-xac-nhan"
_MOST_LISTS = 20
_MOST_NODES, _MOST_NAMED = 100, 10
_LIMITS = ("most_per_day", "most_share", "wait_hours")


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedLists:
    """When the issuer's signed list was fetched last, and the failure of the newest try."""

    success: datetime | None
    failure: AxisList | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedLists:
    """Receipts of the lists that this node issued: the nodes to show, and each planned change with its text and page."""

    overview: Overview
    nodes: Sequence[NodeStanding]
    changes: Sequence[Mapping[str, str]]


async def show_sources(request: PageRequest) -> web.StreamResponse:
    services = request.deps.deciding
    issuers = await delegation.list_issuers(services)
    async with services.decisions.read() as view:
        received = await view.lists.newest(_MOST_LISTS)
        sources = await view.listed.sources()
        ids = {person for s in sources for person in (s.origin.proposed_by, s.origin.approved_by)}
        names = await view.people.names(ids)
    return await request.page(
        "agencies/sources.html",
        title=request.say("delegated.title"),
        issuers=issuers,
        received=[{"list": r, "path": _path("danh-muc", ben=r.issuer, so=str(r.sequence))} for r in received],
        sources=[
            {
                "text": common.origin_text(request, source.origin, names),
                "count": source.count,
                "since": source.origin.since,
                "end": _path("thoi", lo=source.origin.batch) if source.origin.batch else "",
            }
            for source in sources
        ],
        change={i.trusted.issuer: _path("chinh-sach", ben=i.trusted.issuer) for i in issuers},
        propose=_path("chinh-sach"),
        may_trust=request.can("trust_list_page"),
        fetched=await _fetched(request),
        issued=await _issued(request),
        recall={i.trusted.issuer: _path("thu-hoi", ben=i.trusted.issuer) for i in issuers},
        strike={
            officer.fingerprint: _path("nguoi-ky", ben=i.trusted.issuer, cc=officer.fingerprint)
            for i in issuers
            if i.trusted.policy is not None
            for officer in i.trusted.policy.officers
        },
    )


async def _fetched(request: PageRequest) -> FetchedLists | None:
    """Return when the issuer's signed list was fetched last, and why not since; None for a node that fetches none."""
    if not request.deps.settings.registry.feed_url:
        return None
    rows = [row for row in await list_all(request.deps.store.reader) if row.axis == FETCHED_FEED]
    success = next((row for row in rows if row.state is AxisListState.DONE), None)
    ended = next((row for row in rows if row.state is not AxisListState.RUNNING), None)
    return FetchedLists(
        success=success.at if success else None,
        failure=ended if ended is not None and ended.state is AxisListState.FAILED else None,
    )


async def _issued(request: PageRequest) -> IssuedLists:
    """Return which nodes have the lists that this node issued, those that lack one first."""
    deps = request.deps
    overview = await SqlReceipts(deps.store.writer, deps.store.reader, deps.clock).overview(
        deps.settings.node.name
    )
    return IssuedLists(
        overview=overview,
        nodes=overview.nodes[:_MOST_NODES],
        changes=[
            {"text": _say_change(request, change), "path": f"{LIST}/{change.id}"}
            for change in overview.changes
        ],
    )


def _say_change(request: PageRequest, change: AwaitedChange) -> str:
    names, more = change.lacking[:_MOST_NAMED], len(change.lacking) > _MOST_NAMED
    key = "" if change.lacking else ".all"
    return request.say(
        f"delegated.issued.change{key if change.sequence else '.unlisted'}",
        kind=request.say(f"reform.kind.{change.kind}"),
        decision=change.decision,
        day=day_text(change.effective_on),
        number=change.sequence,
        nodes=", ".join(names) + (" …" if more else ""),
    )


def _path(act: str, **query: str) -> str:
    return url_for(f"{SOURCES}/{act}", **query)


async def show_list(request: PageRequest) -> web.StreamResponse:
    """Show a list as the present registry judges it; nothing is written."""
    judged = await _judge(request)
    received = judged.received
    return await request.page(
        "agencies/trust_list.html",
        title=request.say("delegated.list.title", number=received.sequence, issuer=received.issuer),
        received=received,
        propose=_path("de-nghi", ben=received.issuer, so=str(received.sequence)),
        propose_codes=_path("de-nghi", ben=received.issuer, so=str(received.sequence), loai=AGENCY),
        **list_values(judged),
    )


async def _judge(request: PageRequest) -> JudgedList:
    number = request.ask("so")
    if not number.isdecimal() or len(number) > 16:
        raise NotFound("there is no such list")
    services = request.deps.deciding
    async with services.decisions.read() as view:
        received = await view.lists.get(request.ask("ben"), int(number))
        return await delegation.judge_list(services, view, received)


async def propose_list(request: PageRequest) -> web.StreamResponse:
    kind = AGENCY if request.ask("loai") == AGENCY else EXCHANGE
    judged = (await _judge(request)).only(kind)
    received, problems = judged.received, Problems()
    if request.is_act:
        services = request.deps.deciding
        confirmation, problems = await common.propose_signed(
            request,
            [],
            lambda person, reason: delegation.propose_list(
                services, person, received.issuer, received.sequence, reason, kind
            ),
        )
        if confirmation is not None:
            return confirmation
    return await _question(
        request,
        problems,
        "propose",
        issuer=received.issuer,
        number=received.sequence,
        query={"ben": received.issuer, "so": str(received.sequence), "loai": kind},
        received=received,
        digest=judged.compared(kind),
        **list_values(judged),
    )


async def propose_policy(request: PageRequest) -> web.StreamResponse:
    """Propose a policy of delegated trust. Officers are chosen among the signers of the issuer's lists, or pasted."""
    issuer = request.form.text("issuer") if request.is_act else request.ask("ben")
    officers = await _signers_of(request, issuer) if issuer else {}
    problems: Problems = []
    if request.is_act:
        services = request.deps.deciding
        change, problems = await _policy_of_form(request, issuer, officers)
        confirmation, problems = await common.propose_signed(
            request,
            problems,
            lambda person, reason: delegation.propose_policy(services, person, change, reason),
        )
        if confirmation is not None:
            return confirmation
    async with request.deps.deciding.decisions.read() as view:
        policy = (await view.lists.delegation(issuer)).policy if issuer else None
    return await _question(
        request,
        problems,
        "policy",
        issuer=issuer,
        query={"ben": issuer},
        policy=policy,
        officers=[certificate_facts(der) for der in officers.values()],
        chosen=request.form.all("officer") if request.is_act else policy.officer_ids if policy else (),
    )


async def _signers_of(request: PageRequest, issuer: str) -> Mapping[str, bytes]:
    """Return the certificates whose signatures came with the issuer's lists, by fingerprint."""
    async with request.deps.deciding.decisions.read() as view:
        received = await view.lists.newest(_MOST_LISTS)
    ders = [der for r in received if r.issuer == issuer for der in r.officer_certificates]
    return {hashlib.sha256(der).hexdigest(): der for der in ders}


async def _policy_of_form(
    request: PageRequest, issuer: str, signers: Mapping[str, bytes]
) -> tuple[DelegationChange, Problems]:
    """Return the policy that the form describes, and what is wrong with it."""
    form, problems = request.form, list[tuple[str, str]]()
    officers = [signers[fingerprint] for fingerprint in form.all("officer") if fingerprint in signers]
    if pasted := form.text("certificates"):
        try:
            certificates = x509.load_pem_x509_certificates(pasted.encode())
            officers += [certificate.public_bytes(Encoding.DER) for certificate in certificates]
        except ValueError:
            problems.append(("certificates", request.say("clash.SEAL-UNREADABLE")))
    codes = set()
    for text in common.split_names(form.text("under")):
        code, fault = await common.known_code(request, text)
        codes.add(code)
        problems += [("under", fault)] if fault else []
    numbers = {name: form.text(name) for name in _LIMITS}
    problems += [
        (name, request.say("delegated.policy.number"))
        for name, text in numbers.items()
        if not (text.isascii() and text.isdecimal() and len(text) < 7)
    ]
    problems += [] if issuer else [request.missing("issuer", "delegated.column.issuer")]
    limits = (
        {name: int(text) for name, text in numbers.items()} if not problems else dict.fromkeys(_LIMITS, 0)
    )
    change = DelegationChange(
        issuer=issuer,
        officers=tuple(map(delegation.officer_of, dict.fromkeys(officers))),
        codes=tuple(sorted(codes)),
        **limits,
    )
    return change, problems


async def recall_policy(request: PageRequest) -> web.StreamResponse:
    issuer, problems = request.ask("ben"), Problems()
    if request.is_act:
        services = request.deps.deciding
        problems = await common.decide_signed(
            request, lambda person, reason: delegation.recall_policy(services, person, issuer, reason)
        )
        if not problems:
            return request.confirm(SOURCES, "delegated.recalled")
    await _require_policy(request, issuer)
    return await _question(request, problems, "recall", issuer=issuer, query={"ben": issuer}, grave=True)


async def strike_officer(request: PageRequest) -> web.StreamResponse:
    issuer, fingerprint, problems = request.ask("ben"), request.ask("cc"), Problems()
    if request.is_act:
        services = request.deps.deciding
        problems = await common.decide_signed(
            request,
            lambda person, reason: delegation.strike_officer(services, person, issuer, fingerprint, reason),
        )
        if not problems:
            return request.confirm(SOURCES, "delegated.struck")
    await _require_policy(request, issuer)
    return await _question(
        request, problems, "strike", issuer=issuer, query={"ben": issuer, "cc": fingerprint}, grave=True
    )


async def end_bindings(request: PageRequest) -> web.StreamResponse:
    batch, problems = request.ask("lo"), Problems()
    async with request.deps.deciding.decisions.read() as view:
        count = sum(s.count for s in await view.listed.sources() if batch and s.origin.batch == batch)
    if not count:
        raise NotFound("no bindings in force came with such a list")
    if request.is_act:
        services = request.deps.deciding
        problems = await common.decide_signed(
            request, lambda person, reason: delegation.end_bindings(services, person, [batch], reason)
        )
        if not problems:
            return request.confirm(SOURCES, "delegated.ended")
    return await _question(request, problems, "end", count=count, query={"lo": batch}, grave=True)


async def _require_policy(request: PageRequest, issuer: str) -> None:
    async with request.deps.deciding.decisions.read() as view:
        if (await view.lists.delegation(issuer)).policy is None:
            raise Clash("no policy of delegated trust is in force for it", code=delegation.NO_POLICY)


async def _question(
    request: PageRequest, problems: Problems, act: str, **values: Any
) -> web.StreamResponse:  # Any: values of a template
    return await request.question(
        problems,
        f"delegated.{act}.title",
        f"delegated.{act}.will",
        f"delegated.{act}.title",
        back=SOURCES,
        part="agencies/_trust_questions.html",
        which=act,
        **values,
    )


ROUTES = (
    get(SOURCES, "trust_sources", show_sources, needs=VIEWS),
    get(f"{SOURCES}/danh-muc", "trust_list", show_list, needs=VIEWS),
    *both(f"{SOURCES}/de-nghi", "trust_list_page", "trust_list_proposed", propose_list, needs=(TRUSTS,)),
    *both(
        f"{SOURCES}/chinh-sach",
        "trust_policy_page",
        "trust_policy_proposed",
        propose_policy,
        needs=(TRUSTS,),
    ),
    *both(f"{SOURCES}/thu-hoi", "trust_recall_page", "trust_recalled", recall_policy, needs=(TRUSTS,)),
    *both(
        f"{SOURCES}/nguoi-ky", "trust_officer_page", "trust_officer_struck", strike_officer, needs=(TRUSTS,)
    ),
    *both(f"{SOURCES}/thoi", "trust_end_page", "trust_ended", end_bindings, needs=(TRUSTS,)),
)
