"""Proposals of trust and of organisation: what waits, what one would change, approved or rejected by a second person
who shows password and second factor in the same form; and the proposal that a certificate speaks for an agency: the
file is looked at first, beside what speaks for the agency now, with the telephone number to call back; then the
person signs. The end of each fingerprint and the number of a decision are left out: the approver has them from
somebody else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from aiohttp import web

from gateway.deciding import approvals, proposals, registry_changes
from gateway.domain.person import (
    DIGITS,
    AnchorChange,
    BindingChange,
    ImportChange,
    Proposal,
    ProposalContent,
    ProposalState,
)
from gateway.domain.proof import Binding
from gateway.domain.registry import AgencyEntry
from gateway.domain.registry_reform import Reform
from gateway.errors import Clash, Denied, GatewayError, Misconfigured, NotFound
from gateway.office.domain.roles import Manner, Right
from gateway.office.node.exchange import ComparedCertificate, certificate_facts
from gateway.office.web import forms, routes
from gateway.office.web.forms import Problems
from gateway.office.web.pages.agencies import ground
from gateway.office.web.pages.agencies.ground import ImportLine
from gateway.office.web.routes import FormBody, Needs, Who
from gateway.office.web.visits import Visit, where
from gateway.ops.certificates import binding_to_propose, never_for_pdfs
from gateway.policy import two_people
from gateway.words import labels

LIST = "/co-quan/de-nghi"
CODES = Needs(right=Right.CODES)
TRUSTED = Needs(right=Right.CERTIFICATE, manners=(Manner.TWO,))
SEES = (CODES, Needs(right=Right.CERTIFICATE, manners=(Manner.TWO, Manner.PROPOSE)))
DECIDES = (CODES, TRUSTED)
get = partial(routes.get, who=Who.READY, key="agencies")
post = partial(routes.post, who=Who.READY, key="agencies")
_ROWS = 50
_LINES_SHOWN = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownProposal:
    """One proposal in the list. `standing` is its state, or expired."""

    proposal: Proposal
    path: str
    what: str
    codes: str
    by: str
    standing: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedCertificate:
    """One certificate that is proposed. `fingerprint` lacks its end for whoever must have that from elsewhere."""

    n: int
    code: str
    facts: ComparedCertificate
    fingerprint: str
    since: datetime | None = None
    until: datetime | None = None
    earlier: tuple[ComparedCertificate, ...] = ()
    earlier_end: datetime | None = None
    agency: AgencyEntry | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedChange:
    """One change of the organisation that is proposed."""

    n: int
    reform: Reform
    sentences: Sequence[str] = ()
    warnings: Sequence[str] = ()
    conflicts: Sequence[str] = ()
    lines: Sequence[ground.CodeLine] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedImport:
    """One file of codes that is proposed; its rows while it waits, as the registry is now."""

    n: int
    change: ImportChange
    lines: Sequence[ImportLine] = ()
    doubts: Sequence[str] = ()
    more: int = 0
    moved: bool = False


async def proposals_listed(visit: Visit) -> web.StreamResponse:
    async with visit.deps.deciding.decisions.read() as view:
        open_ones = await view.proposals.listed((ProposalState.OPEN,), _ROWS)
        decided = await view.proposals.listed(
            (ProposalState.APPROVED, ProposalState.REJECTED, ProposalState.EXPIRED), _ROWS
        )
        names = await view.people.names(set().union(*(each.people for each in (*open_ones, *decided))))
    return await visit.page(
        "agencies/proposals.html",
        title=visit.say("agencies.proposals"),
        open_ones=[_proposal_row(visit, each, names) for each in open_ones if _may_see(visit, each.content)],
        decided=[_proposal_row(visit, each, names) for each in decided if _may_see(visit, each.content)],
        may_change=visit.may(Right.CODES),
        may_bind=_may_bind(visit),
    )


async def approved(visit: Visit) -> web.StreamResponse:
    """In force, when all that was typed fits. What was shown is what is approved: its digest comes with the form."""
    found, id = await _proposal_found(visit), visit.path("id")
    _check_may_decide(visit, found)
    content = found.content
    typed = [visit.form.text(f"typed_{n}") for n in range(1, len(content.changes) + 1)]
    problems = [
        (f"typed_{n}", visit.say("reforms.typed.missing")) for n, each in enumerate(typed, 1) if not each
    ]
    if problems := [*problems, *ground.proof_missing(visit)]:
        return await proposal_page(visit, "approve", problems)
    try:
        # Again: it may have signed one since it was proposed.
        await never_for_pdfs(visit.deps.store, [each.certificate_der for each in content.bindings])
        who = await ground.signed_in_here(visit)
        await approvals.approve(visit.deps.deciding, who, id, typed, visit.form.text("seen"))
    except (Denied, Clash) as why:
        return await proposal_page(visit, "approve", _approval_refused(visit, content, why))
    return visit.said(f"{LIST}/{id}", "reforms.approved")


async def rejected(visit: Visit) -> web.StreamResponse:
    found, id, reason = await _proposal_found(visit), visit.path("id"), visit.form.text("reason")
    _check_may_decide(visit, found)
    if problems := visit.short_reason() + ground.proof_missing(visit):
        return await proposal_page(visit, "reject", problems)
    try:
        await approvals.reject(visit.deps.deciding, await ground.signed_in_here(visit), id, reason)
    except (Denied, Clash) as why:
        return await proposal_page(visit, "reject", ground.proof_refused(visit, why))
    return visit.said(f"{LIST}/{id}", "reforms.rejected")


async def proposal_page(
    visit: Visit, name: str = "proposal", problems: Problems | None = None
) -> web.StreamResponse:
    """What is proposed; `approve` and `reject` ask for the decision about it."""
    found = await _proposal_found(visit)
    names = await ground.names_of_people(visit, found.people)
    is_mine = visit.person.person.id == found.proposed_by
    content = found.content
    certificates: list[BindingChange | AnchorChange] = [*content.bindings, *content.anchors]
    is_open = found.state is ProposalState.OPEN and visit.deps.clock.now() < found.expires_at
    return await visit.form_page(
        f"agencies/{name}.html",
        problems,
        title=_what_is_proposed(visit, content),
        proposal=found,
        row=_proposal_row(visit, found, names),
        names=names,
        is_open=is_open,
        is_mine=is_mine,
        may_decide=is_open and _may_decide(visit, content),
        certificates=[
            await _proposed_certificate(visit, each, n, whole=is_mine or not is_open)
            for n, each in enumerate(certificates, 1)
        ],
        changes=[
            await _proposed_change(visit, each, n, is_open=is_open)
            for n, each in enumerate(content.reforms, len(certificates) + 1)
        ],
        imports=[
            await _proposed_import(visit, each, n, is_open=is_open)
            for n, each in enumerate(content.imports, 1)
        ],
        open_days=two_people.OPEN_FOR.days,
        digits=DIGITS,
    )


async def _proposal_found(visit: Visit) -> Proposal:
    """NotFound also for one that is none of this person's business."""
    found = await approvals.get_proposal(visit.deps.deciding, visit.path("id"))
    if not _may_see(visit, found.content):
        raise NotFound("there is no such proposal")
    return found


async def _proposed_certificate(
    visit: Visit, change: BindingChange | AnchorChange, n: int, *, whole: bool
) -> ProposedCertificate:
    facts = certificate_facts(change.certificate_der)
    fingerprint = facts.fingerprint if whole else facts.fingerprint[:-DIGITS] + "·" * DIGITS
    if not isinstance(change, BindingChange):
        return ProposedCertificate(n=n, code="", facts=facts, fingerprint=fingerprint)
    bound = [
        certificate_facts(each.certificate_der) for each in await visit.deps.registry.bindings(change.code)
    ]
    return ProposedCertificate(
        n=n,
        code=change.code,
        facts=facts,
        fingerprint=fingerprint,
        since=change.valid_from,
        until=change.valid_to,
        earlier=tuple(each for each in bound if each.fingerprint in change.earlier),
        earlier_end=change.earlier_end,
        agency=await visit.deps.registry.entry(change.code),
    )


async def _proposed_change(visit: Visit, reform: Reform, n: int, *, is_open: bool) -> ProposedChange:
    """Planned anew while it waits; afterwards the change itself tells what it did."""
    if not is_open:
        return ProposedChange(n=n, reform=reform)
    planned = await registry_changes.plan_reform(visit.deps.deciding, reform)
    return ProposedChange(
        n=n,
        reform=reform,
        sentences=ground.remarks_said(visit, planned.sentences),
        warnings=ground.remarks_said(visit, planned.warnings),
        conflicts=ground.remarks_said(visit, planned.conflicts),
        lines=ground.code_lines(planned.before, planned.after),
    )


async def _proposed_import(visit: Visit, change: ImportChange, n: int, *, is_open: bool) -> ProposedImport:
    if not is_open:
        return ProposedImport(n=n, change=change)
    plan = await registry_changes.plan_import(visit.deps.deciding, change)
    lines = ground.plan_lines(visit, plan)
    return ProposedImport(
        n=n,
        change=change,
        lines=lines[:_LINES_SHOWN],
        doubts=ground.plan_doubts(visit, plan),
        more=max(len(lines) - _LINES_SHOWN, 0),
        moved=plan.effect != change.effect,
    )


def _approval_refused(visit: Visit, content: ProposalContent, error: Denied | Clash) -> Problems:
    if error.code == two_people.Objection.DIGITS and (content.reforms or content.imports):
        return [("typed_1", visit.say("reforms.typed.number.wrong"))]
    return ground.proof_refused(visit, error)


def _proposal_row(visit: Visit, proposal: Proposal, names: Mapping[str, str]) -> ShownProposal:
    content = proposal.content
    codes = [each.code for each in content.bindings]
    codes += [code for each in content.reforms for code in each.codes]
    codes += [f"+{each.added} ~{each.changed} –{each.closed}" for each in content.imports]
    is_over = proposal.state is ProposalState.OPEN and visit.deps.clock.now() >= proposal.expires_at
    return ShownProposal(
        proposal=proposal,
        path=where(f"{LIST}/{proposal.id}"),
        what=_what_is_proposed(visit, content),
        codes=", ".join(dict.fromkeys(codes)),
        by=names.get(proposal.proposed_by, proposal.proposed_by),
        standing="expired" if is_over else str(proposal.state),
    )


def _what_is_proposed(visit: Visit, content: ProposalContent) -> str:
    if content.reforms:
        return visit.say(f"reform.kind.{content.reforms[0].kind}")
    if content.imports:
        return visit.say("reforms.what.imports")
    return visit.say("reforms.what.bindings" if content.bindings else "reforms.what.anchors")


def _may_see(visit: Visit, content: ProposalContent) -> bool:
    """Who keeps the codes sees all; an agency's administrator what is about its certificates alone."""
    if visit.may(Right.CODES) or visit.may(Right.CERTIFICATE, Manner.TWO):
        return True
    is_about_us = bool(content.bindings) and not (content.anchors or content.reforms or content.imports)
    return is_about_us and _may_bind(visit) and {each.code for each in content.bindings} <= _our_codes(visit)


def _our_codes(visit: Visit) -> set[str]:
    return {visit.agency.code, *visit.agency.aliases} if visit.agency is not None else set()


def _may_bind(visit: Visit) -> bool:
    return visit.may(Right.CERTIFICATE, Manner.TWO, Manner.PROPOSE)


def _may_decide(visit: Visit, content: ProposalContent) -> bool:
    if (content.reforms or content.imports) and not visit.may(Right.CODES):
        return False
    return not (content.bindings or content.anchors) or visit.may(Right.CERTIFICATE, Manner.TWO)


def _check_may_decide(visit: Visit, proposal: Proposal) -> None:
    if not _may_decide(visit, proposal.content):
        raise Denied("this person may not decide that", code="GW-RIGHT")


PROPOSAL_ROUTES = (
    get(LIST, "proposals", proposals_listed, needs=SEES),
    get(f"{LIST}/{{id}}", "proposal", proposal_page, needs=SEES),
    get(
        f"{LIST}/{{id}}/phe-duyet",
        "proposal_approve_page",
        partial(proposal_page, name="approve"),
        needs=DECIDES,
    ),
    post(f"{LIST}/{{id}}/phe-duyet", "proposal_approve", approved, needs=DECIDES),
    get(
        f"{LIST}/{{id}}/tu-choi", "proposal_reject_page", partial(proposal_page, name="reject"), needs=DECIDES
    ),
    post(f"{LIST}/{{id}}/tu-choi", "proposal_reject", rejected, needs=DECIDES),
)


BINDING = f"{LIST}/chung-thu-so"
BINDS = (Needs(right=Right.CERTIFICATE, manners=(Manner.TWO, Manner.PROPOSE)),)
_MOST_BYTES = 64 * 1024


async def binding_looked_at(visit: Visit) -> web.StreamResponse:
    """What the file holds, beside what is in force; nothing is written."""
    given: dict[str, str] = {}
    content = bytearray()
    async for part in forms.parts(visit.request, visit.token):
        if part.name != "file":
            await forms.add_short(given, part)
            continue
        await forms.hold(part, content, _MOST_BYTES, "a certificate file is small")
    code, fault = await _agency_bound(visit, given.get("agency", ""))
    if fault:
        return await binding_page(visit, given, [("agency", fault)])
    # PEM is plain letters; whatever else it is will not be read as a certificate.
    pem = content.decode("ascii", "replace")
    change, problems = await _binding_change(visit, code, pem)
    if change is None:
        return await binding_page(visit, given, problems)
    return await binding_page(visit, {**given, "agency": code, "pem": pem}, None, change)


async def binding_proposed(visit: Visit) -> web.StreamResponse:
    (code, fault), pem = await _agency_bound(visit, visit.form.text("agency")), visit.form.text("pem")
    given = {**visit.form.flat(), "agency": code}
    if fault:
        return await binding_page(visit, given, [("agency", fault)])
    change, problems = await _binding_change(visit, code, pem)
    if change is None:
        return await binding_page(visit, given, problems)
    if missing := ground.proof_missing(visit):
        return await binding_page(visit, given, missing, change)
    content, reason = ProposalContent(bindings=(change,)), visit.form.text("reason")
    try:
        who = await ground.signed_in_here(visit)
        made = await proposals.propose(visit.deps.deciding, who, content, reason)
    except (Denied, Clash) as why:
        return await binding_page(visit, given, ground.proof_refused(visit, why), change)
    return visit.said(f"{LIST}/{made.id}", "reforms.proposed")


async def _agency_bound(visit: Visit, text: str) -> tuple[str, str]:
    """Its code of today, or what was typed and why nobody is meant. NotFound for another agency than the person's own, but
    to the node's keepers."""
    if not text:
        return "", visit.say("reforms.certificate.whose")
    code, fault = await ground.known_code(visit, text)
    if not fault and not visit.may(Right.CERTIFICATE, Manner.TWO) and code not in _our_codes(visit):
        raise NotFound("there is no such agency here")
    return code, fault


async def _binding_change(visit: Visit, code: str, pem: str) -> tuple[BindingChange | None, Problems]:
    deps = visit.deps
    try:
        wanted = await deps.pool.run(lambda: binding_to_propose(code, pem.encode(), "the file"))
        await never_for_pdfs(deps.store, [wanted.certificate_der])
        known = await deps.registry.bindings(code)
        return proposals.binding_change(known, wanted, deps.clock.now(), deps.deciding.overlap), []
    except (Misconfigured, Clash) as why:
        return None, [("file", _why_not_bound(visit, why))]


def _why_not_bound(visit: Visit, error: GatewayError) -> str:
    if isinstance(error, Misconfigured):
        return visit.say("reforms.certificate.unreadable")
    keys = (f"clash.{error.code}", f"code.{error.code}", "reforms.certificate.over")
    return visit.say(next(each for each in keys if labels.has(each)))


async def binding_page(
    visit: Visit,
    given: dict[str, str] | None = None,
    problems: Problems | None = None,
    change: BindingChange | None = None,
) -> web.StreamResponse:
    """Which agency, and the file; then what the file holds."""
    given = {"agency": visit.ask("ma")} if given is None else given
    code = given.get("agency", "")
    agency = await visit.deps.registry.entry(code) if code else None
    known: tuple[Binding, ...] = ()
    if agency is not None and change is not None:
        known = tuple(await visit.deps.registry.bindings(agency.code))
    facts = [certificate_facts(each.certificate_der) for each in known]
    return await visit.form_page(
        "agencies/bind.html",
        problems,
        title=visit.say("reforms.bind"),
        given=given,
        agency=agency,
        change=change,
        facts=certificate_facts(change.certificate_der) if change is not None else None,
        known=[each for each in facts if change is not None and each.fingerprint in change.earlier],
        action=BINDING,
    )


BINDING_ROUTES = (
    get(BINDING, "binding", binding_page, needs=BINDS),
    post(BINDING, "binding_looked_at", binding_looked_at, needs=BINDS, body=FormBody.PARTS),
    post(f"{BINDING}/lap", "binding_proposed", binding_proposed, needs=BINDS),
)
