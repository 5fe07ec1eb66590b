"""Proposals of trust and of organisation: what waits, what one would change, approved or rejected by a second person who
shows password and second factor in the same form. The end of each fingerprint and the number of a decision are left out:
the approver has them from somebody else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from gateway.deciding import approve as approving
from gateway.deciding import codes as imports
from gateway.deciding import reform as reforms
from gateway.domain.proposal import (
    DIGITS,
    AnchorChange,
    BindingChange,
    Content,
    ImportChange,
    Proposal,
    ProposalState,
)
from gateway.domain.registry import AgencyEntry
from gateway.domain.registry_reform import Reform
from gateway.errors import Clash, Denied, NotFound
from gateway.office.domain.right import Manner, Right
from gateway.office.web.pages.agencies import import_lines, signing, telling
from gateway.office.web.pages.agencies.import_lines import Line
from gateway.office.web.pages.agencies.signing import Problems
from gateway.office.web.ports_registry import CertificateFacts
from gateway.office.web.routes import Needs, Who, get, post
from gateway.office.web.visit import Visit, where
from gateway.policy import two_people

LIST = "/co-quan/de-nghi"
CODES = Needs(right=Right.CODES)
TRUSTED = Needs(right=Right.CERTIFICATE, manners=(Manner.TWO,))
SEES = (CODES, Needs(right=Right.CERTIFICATE, manners=(Manner.TWO, Manner.PROPOSE)))
DECIDES = (CODES, TRUSTED)
_ROWS = 50
_LINES = 200
_SHORTEST_REASON = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One proposal in the list. `standing` is its state, or expired."""

    proposal: Proposal
    path: str
    what: str
    codes: str
    by: str
    standing: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """One certificate that is proposed. `fingerprint` lacks its end for whoever must have that from elsewhere."""

    n: int
    code: str
    facts: CertificateFacts
    fingerprint: str
    since: datetime | None = None
    until: datetime | None = None
    earlier: tuple[CertificateFacts, ...] = ()
    earlier_end: datetime | None = None
    agency: AgencyEntry | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change of the organisation that is proposed."""

    n: int
    reform: Reform
    sentences: Sequence[str]
    warnings: Sequence[str]
    conflicts: Sequence[str]
    lines: Sequence[telling.Line]


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """One file of codes that is proposed; its rows while it waits, as the registry is now."""

    n: int
    change: ImportChange
    lines: Sequence[Line]
    doubts: Sequence[str]
    more: int
    moved: bool


async def listed(visit: Visit) -> web.StreamResponse:
    async with visit.deps.deciding.decisions.read() as view:
        open_ones = await view.proposals.listed((ProposalState.OPEN,), _ROWS)
        decided = await view.proposals.listed(
            (ProposalState.APPROVED, ProposalState.REJECTED, ProposalState.EXPIRED), _ROWS
        )
        names = await view.people.names(set().union(*(each.people for each in (*open_ones, *decided))))
    return await visit.page(
        "agencies/proposals.html",
        title=visit.say("agencies.proposals"),
        open_ones=[_row(visit, each, names) for each in open_ones if _may_see(visit, each.content)],
        decided=[_row(visit, each, names) for each in decided if _may_see(visit, each.content)],
        may_change=visit.may(Right.CODES),
        may_bind=_may_bind(visit),
    )


async def one(visit: Visit) -> web.StreamResponse:
    return await _page(visit, "agencies/proposal.html", [])


async def approve_page(visit: Visit) -> web.StreamResponse:
    return await _page(visit, "agencies/approve.html", [])


async def approved(visit: Visit) -> web.StreamResponse:
    """In force, when all that was typed fits. What was shown is what is approved: its digest comes with the form."""
    found, id = await _found(visit), visit.path("id")
    _check_may_decide(visit, found)
    content = found.content
    typed = [visit.form.text(f"typed_{n}") for n in range(1, len(content.changes) + 1)]
    problems = [
        (f"typed_{n}", visit.say("reforms.typed.missing")) for n, each in enumerate(typed, 1) if not each
    ]
    if problems := [*problems, *signing.missing(visit)]:
        return await _page(visit, "agencies/approve.html", problems)
    try:
        # Again: it may have signed one since it was proposed.
        await visit.deps.exchange.never_for_pdfs([each.certificate_der for each in content.bindings])
        who = await signing.here(visit)
        await approving.run(visit.deps.deciding, who, id, typed, visit.form.text("seen"))
    except (Denied, Clash) as why:
        return await _page(visit, "agencies/approve.html", _refused(visit, content, why))
    return visit.said(f"{LIST}/{id}", "reforms.approved")


async def reject_page(visit: Visit) -> web.StreamResponse:
    return await _page(visit, "agencies/reject.html", [])


async def rejected(visit: Visit) -> web.StreamResponse:
    found, id, reason = await _found(visit), visit.path("id"), visit.form.text("reason")
    _check_may_decide(visit, found)
    problems: Problems = []
    if len(reason) < _SHORTEST_REASON:
        problems.append(("reason", visit.say("form.reason.short")))
    if problems := [*problems, *signing.missing(visit)]:
        return await _page(visit, "agencies/reject.html", problems)
    try:
        await approving.reject(visit.deps.deciding, await signing.here(visit), id, reason)
    except (Denied, Clash) as why:
        return await _page(visit, "agencies/reject.html", signing.refused(visit, why))
    return visit.said(f"{LIST}/{id}", "reforms.rejected")


async def _page(visit: Visit, template: str, problems: Problems) -> web.StreamResponse:
    found = await _found(visit)
    async with visit.deps.deciding.decisions.read() as view:
        names = await view.people.names(found.people)
    is_mine = visit.person.person.id == found.proposed_by
    content = found.content
    certificates: list[BindingChange | AnchorChange] = [*content.bindings, *content.anchors]
    is_open = found.state is ProposalState.OPEN and visit.deps.clock.now() < found.expires_at
    return await visit.page(
        template,
        422 if problems else 200,
        title=_what(visit, content),
        proposal=found,
        row=_row(visit, found, names),
        names=names,
        is_open=is_open,
        is_mine=is_mine,
        may_decide=is_open and _may_decide(visit, content),
        certificates=[
            await _certificate(visit, each, n, whole=is_mine or not is_open)
            for n, each in enumerate(certificates, 1)
        ],
        changes=[
            await _change(visit, each, n, is_open=is_open)
            for n, each in enumerate(content.reforms, len(certificates) + 1)
        ],
        imports=[await _import(visit, each, n, is_open=is_open) for n, each in enumerate(content.imports, 1)],
        open_days=two_people.OPEN_FOR.days,
        digits=DIGITS,
        problems=problems,
        given=visit.form.flat(),
    )


async def _found(visit: Visit) -> Proposal:
    """NotFound also for one that is none of this person's business."""
    found = await approving.shown(visit.deps.deciding, visit.path("id"))
    if not _may_see(visit, found.content):
        raise NotFound("there is no such proposal")
    return found


async def _certificate(
    visit: Visit, change: BindingChange | AnchorChange, n: int, *, whole: bool
) -> Certificate:
    facts = visit.deps.certificate(change.certificate_der)
    fingerprint = facts.fingerprint if whole else facts.fingerprint[:-DIGITS] + "·" * DIGITS
    if not isinstance(change, BindingChange):
        return Certificate(n=n, code="", facts=facts, fingerprint=fingerprint)
    bound = [
        visit.deps.certificate(each.certificate_der)
        for each in await visit.deps.registry.bindings(change.code)
    ]
    return Certificate(
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


async def _change(visit: Visit, reform: Reform, n: int, *, is_open: bool) -> Change:
    """Planned anew while it waits; afterwards the change itself tells what it did."""
    if not is_open:
        return Change(n=n, reform=reform, sentences=(), warnings=(), conflicts=(), lines=())
    planned = await reforms.plan(visit.deps.deciding, reform)
    return Change(
        n=n,
        reform=reform,
        sentences=telling.said(visit, planned.sentences),
        warnings=telling.said(visit, planned.warnings),
        conflicts=telling.said(visit, planned.conflicts),
        lines=telling.lines(planned.before, planned.after),
    )


async def _import(visit: Visit, change: ImportChange, n: int, *, is_open: bool) -> Import:
    if not is_open:
        return Import(n=n, change=change, lines=(), doubts=(), more=0, moved=False)
    plan = await imports.planned(visit.deps.deciding, change)
    lines = import_lines.of_plan(visit, plan)
    return Import(
        n=n,
        change=change,
        lines=lines[:_LINES],
        doubts=import_lines.doubts(visit, plan),
        more=max(len(lines) - _LINES, 0),
        moved=plan.effect != change.effect,
    )


def _refused(visit: Visit, content: Content, error: Denied | Clash) -> Problems:
    if error.code == two_people.Objection.DIGITS and (content.reforms or content.imports):
        return [("typed_1", visit.say("reforms.typed.number.wrong"))]
    return signing.refused(visit, error)


def _row(visit: Visit, proposal: Proposal, names: Mapping[str, str]) -> Row:
    content = proposal.content
    codes = [each.code for each in content.bindings]
    codes += [code for each in content.reforms for code in each.codes]
    codes += [f"+{each.added} ~{each.changed} –{each.closed}" for each in content.imports]
    is_over = proposal.state is ProposalState.OPEN and visit.deps.clock.now() >= proposal.expires_at
    return Row(
        proposal=proposal,
        path=where(f"{LIST}/{proposal.id}"),
        what=_what(visit, content),
        codes=", ".join(dict.fromkeys(codes)),
        by=names.get(proposal.proposed_by, proposal.proposed_by),
        standing="expired" if is_over else str(proposal.state),
    )


def _what(visit: Visit, content: Content) -> str:
    if content.reforms:
        return visit.say(f"reform.kind.{content.reforms[0].kind}")
    if content.imports:
        return visit.say("reforms.what.imports")
    return visit.say("reforms.what.bindings" if content.bindings else "reforms.what.anchors")


def _may_see(visit: Visit, content: Content) -> bool:
    """Who keeps the codes sees all; an agency's administrator what is about its certificates alone."""
    if visit.may(Right.CODES) or visit.may(Right.CERTIFICATE, Manner.TWO):
        return True
    is_about_us = bool(content.bindings) and not (content.anchors or content.reforms or content.imports)
    ours = {visit.here.code, *visit.here.aliases} if visit.agency is not None else set()
    return is_about_us and _may_bind(visit) and {each.code for each in content.bindings} <= ours


def _may_bind(visit: Visit) -> bool:
    return visit.may(Right.CERTIFICATE, Manner.TWO, Manner.PROPOSE)


def _may_decide(visit: Visit, content: Content) -> bool:
    if (content.reforms or content.imports) and not visit.may(Right.CODES):
        return False
    return not (content.bindings or content.anchors) or visit.may(Right.CERTIFICATE, Manner.TWO)


def _check_may_decide(visit: Visit, proposal: Proposal) -> None:
    if not _may_decide(visit, proposal.content):
        raise Denied("this person may not decide that", code="GW-RIGHT")


def _act(path: str) -> str:
    return f"{LIST}/{{id}}/{path}"


ROUTES = (
    get(LIST, "proposals", listed, who=Who.READY, needs=SEES, key="agencies"),
    get(f"{LIST}/{{id}}", "proposal", one, who=Who.READY, needs=SEES, key="agencies"),
    get(
        _act("phe-duyet"),
        "proposal_approve_page",
        approve_page,
        who=Who.READY,
        needs=DECIDES,
        key="agencies",
    ),
    post(_act("phe-duyet"), "proposal_approve", approved, who=Who.READY, needs=DECIDES, key="agencies"),
    get(_act("tu-choi"), "proposal_reject_page", reject_page, who=Who.READY, needs=DECIDES, key="agencies"),
    post(_act("tu-choi"), "proposal_reject", rejected, who=Who.READY, needs=DECIDES, key="agencies"),
)
