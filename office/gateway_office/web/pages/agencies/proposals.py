"""Proposals of trust and of organisation: the waiting ones, the effect of one, approved or rejected by a second person who
shows password and second factor in the same form. And the proposal that a certificate speaks for an agency: the file is
looked at first, beside the certificates in force, with the telephone number to call back; then the person signs. The end of
each fingerprint and the number of a decision are left out: the approver has them from another source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from aiohttp import web

from gateway.deciding import approvals, delegation, proposals, registry_changes
from gateway.deciding.delegation import JudgedList
from gateway.domain.delegated import AGENCY, EXCHANGE, RowStanding
from gateway.domain.person import (
    DIGITS,
    AnchorChange,
    BindingChange,
    DelegationChange,
    ImportChange,
    ListChange,
    Proposal,
    ProposalContent,
    ProposalState,
)
from gateway.domain.proof import Binding
from gateway.domain.registry_reform import Reform
from gateway.domain.seals import SealChange
from gateway.errors import Clash, Denied, Misconfigured, NotFound
from gateway.ops.certificates import binding_to_propose, check_never_signed_pdfs
from gateway.policy import two_people
from gateway.words import labels
from gateway_office.domain.roles import Manner, Right
from gateway_office.node.exchange import certificate_facts
from gateway_office.web import duty_table, forms
from gateway_office.web.addresses import url_for
from gateway_office.web.duty_table import may_decide, waits_for
from gateway_office.web.forms import Problems
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.pages.agencies import common
from gateway_office.web.pages.agencies.common import TemplateValues, both, get, post
from gateway_office.web.pages.agencies.headlines import headline, name_list, names_in, names_of_codes
from gateway_office.web.routes import FormBody, Needs

LIST = duty_table.PROPOSALS
CODES = Needs(right=Right.CODES)
TRUSTED = Needs(right=Right.CERTIFICATE, manners=(Manner.TWO,))
SEES = (CODES, Needs(right=Right.CERTIFICATE, manners=(Manner.TWO, Manner.PROPOSE)))
VIEWS = (CODES, TRUSTED)
# Acts that change what is trusted ask for the role of deciders too, as `deciding.proposals.must_trust` does.
TRUSTS = replace(TRUSTED, trusts=True)
REFORMS = replace(CODES, trusts=True)
DECIDES = (REFORMS, TRUSTS)
_ROWS = 50
_MOST_LINES = 200
BINDING = f"{LIST}/chung-thu-so"
BINDS = (Needs(right=Right.CERTIFICATE, manners=(Manner.TWO, Manner.PROPOSE), trusts=True),)
_MOST_BYTES = 64 * 1024


async def list_proposals(request: PageRequest) -> web.StreamResponse:
    async with request.deps.deciding.decisions.read() as view:
        open_proposals = await view.proposals.list_in_states((ProposalState.OPEN,), _ROWS)
        decided = await view.proposals.list_in_states(
            (ProposalState.APPROVED, ProposalState.REJECTED, ProposalState.EXPIRED), _ROWS
        )
        people_names = await view.people.names(set().union(*(p.people for p in (*open_proposals, *decided))))
    visible_open = [p for p in open_proposals if _may_see(request, p.content)]
    visible_decided = [p for p in decided if _may_see(request, p.content)]
    names = await _names_in_proposals(request, [p.content for p in (*visible_open, *visible_decided)])
    return await request.page(
        "agencies/proposals.html",
        title=request.say("agencies.proposals"),
        open_ones=[_proposal_row(request, p, people_names, names) for p in visible_open],
        decided=[_proposal_row(request, p, people_names, names) for p in visible_decided],
    )


async def show_proposal(request: PageRequest) -> web.StreamResponse:
    proposal = await _load_proposal(request)
    page_values = await _page_values(request, proposal)
    return await request.page("agencies/proposal.html", title=page_values["row"]["what"], **page_values)


async def approve(request: PageRequest) -> web.StreamResponse:
    """Approve, when all that was typed fits. The digest comes with the form, so exactly the shown content is approved."""
    proposal, problems = await _load_proposal(request), Problems()
    if request.is_act:
        _check_may_decide(request, proposal)
        if not (problems := await _approve(request, proposal)):
            return request.confirm(f"{LIST}/{proposal.id}", "reforms.approved")
    return await _ask_of_proposal(request, "approve", proposal, problems, hidden={"seen": proposal.digest})


async def reject(request: PageRequest) -> web.StreamResponse:
    proposal, problems = await _load_proposal(request), Problems()
    if request.is_act:
        services = request.deps.deciding
        _check_may_decide(request, proposal)
        problems = await common.decide_signed(
            request, lambda person, reason: approvals.reject(services, person, proposal.id, reason)
        )
        if not problems:
            return request.confirm(f"{LIST}/{proposal.id}", "reforms.rejected")
    return await _ask_of_proposal(request, "reject", proposal, problems, grave=True)


async def _approve(request: PageRequest, proposal: Proposal) -> Problems:
    content, services = proposal.content, request.deps.deciding
    digits = [request.form.text(f"typed_{n}") for n in range(1, len(content.expected) + 1)]
    problems = [
        (f"typed_{n}", request.say("reforms.typed.missing")) for n, text in enumerate(digits, 1) if not text
    ]
    if problems := [*problems, *common.proof_missing(request)]:
        return problems
    try:
        # Checked again: the certificate may have signed a PDF since it was proposed.
        await check_never_signed_pdfs(request.deps.store, [b.certificate_der for b in content.bindings])
        person = await common.require_sign_in(request)
        await approvals.approve(services, person, proposal.id, digits, request.form.text("seen"))
    except (Denied, Clash) as error:
        if error.code == two_people.Objection.DIGITS and (
            content.reforms or content.imports or content.sealing_rights
        ):
            return [("typed_1", request.say("reforms.typed.number.wrong"))]
        return common.proof_refused(request, error)
    return []


async def _ask_of_proposal(
    request: PageRequest, act: str, proposal: Proposal, problems: Problems, **values: Any
) -> web.Response:
    page_values = await _page_values(request, proposal)
    return await request.question(
        problems,
        f"reforms.{act}.title",
        "",
        f"reforms.{act}",
        what=page_values["row"]["what"],
        back=page_values["row"]["path"],
        part="agencies/_questions.html",
        which=act,
        closed=not page_values["is_open"],
        **(page_values | values),
    )


async def _page_values(
    request: PageRequest, proposal: Proposal
) -> dict[str, Any]:  # Any: values of a template
    names = await common.names_of_people(request, proposal.people)
    is_mine = request.person.person.id == proposal.proposed_by
    content = proposal.content
    is_open = proposal.state is ProposalState.OPEN and request.deps.clock.now() < proposal.expires_at
    return {
        "proposal": proposal,
        "row": _proposal_row(request, proposal, names, await _names_in_proposals(request, [content])),
        "names": names,
        "is_open": is_open,
        "is_mine": is_mine,
        "may_decide": is_open and may_decide(request, content),
        "others_decide": is_open and not is_mine and not may_decide(request, content),
        "certificates": [
            await _proposed_certificate(request, c, n, in_full=is_mine or not is_open)
            for n, c in enumerate(content.certificates, 1)
        ],
        "changes": [
            await _proposed_change(request, c, n, is_open=is_open)
            for n, c in enumerate(content.reforms, len(content.certificates) + 1)
        ],
        "imports": [
            await _proposed_import(request, c, n, is_open=is_open) for n, c in enumerate(content.imports, 1)
        ],
        "policies": [_proposed_policy(c, in_full=is_mine or not is_open) for c in content.delegations],
        "lists": [await _proposed_list(request, c, is_mine=is_mine, is_open=is_open) for c in content.lists],
        "rights": list(
            enumerate(
                content.sealing_rights,
                len(content.certificates) + len(content.reforms) + len(content.imports) + 1,
            )
        ),
        "digits": DIGITS,
    }


def _proposed_policy(change: DelegationChange, *, in_full: bool) -> TemplateValues:
    """Describe a policy with its officers, without the ends of their fingerprints for a person who must have them from
    elsewhere."""
    facts = [certificate_facts(der) for der in change.officers_der]
    officers = [
        {
            "n": n,
            "facts": officer,
            "fingerprint": officer.fingerprint if in_full else officer.fingerprint[:-DIGITS] + "·" * DIGITS,
        }
        for n, officer in enumerate(facts, 1)
    ]
    return {"change": change, "officers": officers}


async def _proposed_list(
    request: PageRequest, change: ListChange, *, is_mine: bool, is_open: bool
) -> TemplateValues:
    """Describe a list: judged anew while it waits."""
    digest = change.trust if is_mine or not is_open else change.trust[:-DIGITS] + "·" * DIGITS
    values: dict[str, Any] = {"n": 1, "change": change, "digest": digest}
    if not is_open:
        return values | {"groups": (), "conflicts": (), "left_out": 0, "moves": ()}
    services = request.deps.deciding
    async with services.decisions.read() as view:
        received = await view.lists.get(change.issuer, change.sequence)
        judged = await delegation.judge_list(services, view, received)
        return values | list_values(judged.only(change.kind))


def list_values(judged: JudgedList) -> dict[str, Any]:
    """Describe a list for a template: its certificates in groups of the agencies above them, its conflicts, and what it
    changes in who speaks for codes."""
    bound, moves = judged.only(EXCHANGE), judged.only(AGENCY)
    groups = Counter((row.row.code.rpartition(".")[0] or row.row.code, row.standing) for row in bound.rows)
    conflicts = [row for row in bound.rows if row.standing is RowStanding.CONFLICT]
    return {
        "groups": [
            {"code": code, "standing": standing, "count": count}
            for (code, standing), count in sorted(groups.items())
        ],
        "conflicts": conflicts[:_MOST_LINES],
        "left_out": max(len(conflicts) - _MOST_LINES, 0),
        "is_effective": bound.is_effective,
        "moves": moves.rows[:_MOST_LINES],
        "more_moves": max(len(moves.rows) - _MOST_LINES, 0),
        "may_move": moves.is_effective,
    }


async def _load_proposal(request: PageRequest) -> Proposal:
    """Load the proposal. Raise NotFound also where this person may not see it."""
    proposal = await approvals.get_proposal(request.deps.deciding, request.path("id"))
    if not _may_see(request, proposal.content):
        raise NotFound("there is no such proposal")
    return proposal


async def _proposed_certificate(
    request: PageRequest, change: BindingChange | AnchorChange | SealChange, n: int, *, in_full: bool
) -> TemplateValues:
    """Describe a certificate; `fingerprint` lacks its end for a person who must have it from elsewhere."""
    facts = certificate_facts(change.certificate_der)
    fingerprint = facts.fingerprint if in_full else facts.fingerprint[:-DIGITS] + "·" * DIGITS
    registry, nothing = request.deps.registry, {"earlier": (), "earlier_end": None, "seal": None}
    values: dict[str, Any] = {"n": n, "facts": facts, "fingerprint": fingerprint, **nothing}
    if isinstance(change, SealChange):
        return values | {"code": change.code, "agency": await registry.entry(change.code), "seal": change}
    if not isinstance(change, BindingChange):
        return values | {"code": "", "agency": None}
    bound = [certificate_facts(binding.certificate_der) for binding in await registry.bindings(change.code)]
    return values | {
        "code": change.code,
        "agency": await registry.entry(change.code),
        "earlier": [certificate for certificate in bound if certificate.fingerprint in change.earlier],
        "earlier_end": change.earlier_end,
    }


async def _proposed_change(request: PageRequest, reform: Reform, n: int, *, is_open: bool) -> TemplateValues:
    """Describe a change: planned anew while it waits; afterwards the change itself shows its effect."""
    if not is_open:
        nothing = dict.fromkeys(("sentences", "warnings", "conflicts", "lines"), ())
        return {"n": n, "reform": reform} | nothing
    plan = await registry_changes.plan_reform(request.deps.deciding, reform)
    return {
        "n": n,
        "reform": reform,
        "sentences": common.render_remarks(request, plan.sentences),
        "warnings": common.render_remarks(request, plan.warnings),
        "conflicts": common.render_remarks(request, plan.conflicts),
        "lines": common.code_lines(plan.lives_before, plan.lives_after),
    }


async def _proposed_import(
    request: PageRequest, change: ImportChange, n: int, *, is_open: bool
) -> TemplateValues:
    """Describe an import, with its rows while it waits, as the registry is now."""
    if not is_open:
        return {"n": n, "change": change, "lines": (), "doubts": (), "more": 0, "moved": False}
    plan = await registry_changes.plan_import(request.deps.deciding, change)
    lines = common.plan_lines(request, plan)
    return {
        "n": n,
        "change": change,
        "lines": lines[:_MOST_LINES],
        "doubts": common.plan_doubts(request, plan),
        "more": max(len(lines) - _MOST_LINES, 0),
        "moved": plan.effect != change.effect,
    }


async def _names_in_proposals(request: PageRequest, contents: Sequence[ProposalContent]) -> Mapping[str, str]:
    """Return the names of the agencies that these proposals concern, by code."""
    names = await names_in(request, [reform for content in contents for reform in content.reforms])
    codes = {change.code for content in contents for change in content.bindings}
    codes |= {code for content in contents for code in content.sealing_codes}
    codes |= {right.acting_code for content in contents for right in content.sealing_rights}
    return names | await names_of_codes(request, codes - names.keys())


def _proposal_row(
    request: PageRequest, proposal: Proposal, people_names: Mapping[str, str], names: Mapping[str, str]
) -> TemplateValues:
    """Describe one proposal in the list. `standing` is its state, or expired."""
    is_over = proposal.state is ProposalState.OPEN and request.deps.clock.now() >= proposal.expires_at
    return {
        "proposal": proposal,
        "path": url_for(f"{LIST}/{proposal.id}"),
        "what": _proposal_title(request, proposal.content, names),
        "by": people_names.get(proposal.proposed_by, proposal.proposed_by),
        "standing": "expired" if is_over else str(proposal.state),
        "waits": waits_for(request, proposal),
    }


def _proposal_title(request: PageRequest, content: ProposalContent, names: Mapping[str, str]) -> str:
    """Say what is proposed, by the names of its agencies; of a file of codes how much it changes."""
    if content.reforms:
        return headline(request, content.reforms[0], names)
    if content.imports:
        counts = [f"+{file.added} ~{file.changed} –{file.closed}" for file in content.imports]
        return f"{request.say('reforms.what.imports')}: {', '.join(counts)}"
    if content.delegations:
        return request.say("delegated.what.policy", issuer=content.delegations[0].issuer)
    if content.lists:
        listed = content.lists[0]
        kind = "codes" if listed.kind == AGENCY else "list"
        return request.say(f"delegated.what.{kind}", number=listed.sequence, issuer=listed.issuer)
    if content.sealing_codes:
        summary_key = "reforms.what.seals" if content.seals else "reforms.what.rights"
        return f"{request.say(summary_key)}: {name_list(content.sealing_codes, names)}"
    if not content.bindings:
        return request.say("reforms.what.anchors")
    codes = tuple(dict.fromkeys(change.code for change in content.bindings))
    return f"{request.say('reforms.what.bindings')}: {name_list(codes, names)}"


def _may_see(request: PageRequest, content: ProposalContent) -> bool:
    """Tell whether the person sees it: keepers of codes see all; an agency's administrator its certificates alone."""
    if request.may(Right.CODES) or request.may(Right.CERTIFICATE, Manner.TWO):
        return True
    counted = len(content.bindings) + len(content.seals) + len(content.sealing_rights)
    codes = {b.code for b in content.bindings} | set(content.sealing_codes)
    return counted == len(content.changes) > 0 and _may_bind(request) and codes <= _our_codes(request)


def may_bind(request: PageRequest, code: str) -> bool:
    """Tell whether the person may propose certificates and seals of that code: of the own agency, or of any."""
    is_of_node = request.may(Right.CERTIFICATE, Manner.TWO)
    return request.meets(BINDS) and (is_of_node or code in _our_codes(request))


def _our_codes(request: PageRequest) -> set[str]:
    return {request.agency.code, *request.agency.aliases} if request.agency is not None else set()


def _may_bind(request: PageRequest) -> bool:
    return request.may(Right.CERTIFICATE, Manner.TWO, Manner.PROPOSE)


def _check_may_decide(request: PageRequest, proposal: Proposal) -> None:
    if not may_decide(request, proposal.content):
        raise Denied("this person may not decide that", code="GW-RIGHT")


async def preview_binding(request: PageRequest) -> web.StreamResponse:
    """Show the file's certificate beside those in force; nothing is written."""
    form_values, content = await forms.read_file(
        request.http, request.token, _MOST_BYTES, "a certificate file is small"
    )
    code, fault = await agency_bound(request, form_values.get("agency", ""))
    if fault:
        return await binding_page(request, form_values, [("agency", fault)])
    # PEM is plain letters; other bytes will not be read as a certificate.
    pem = content.decode("ascii", "replace")
    change, problems = await _binding_change(request, code, pem)
    if change is None:
        return await binding_page(request, form_values, problems)
    return await binding_page(request, {**form_values, "agency": code, "pem": pem}, None, change)


async def propose_binding(request: PageRequest) -> web.StreamResponse:
    (code, fault), pem = await agency_bound(request, request.form.text("agency")), request.form.text("pem")
    form_values = {**request.form.flat(), "agency": code}
    if fault:
        return await binding_page(request, form_values, [("agency", fault)])
    change, problems = await _binding_change(request, code, pem)
    if change is None:
        return await binding_page(request, form_values, problems)
    content = ProposalContent(bindings=(change,))
    confirmation, problems = await common.propose_signed(
        request, [], lambda person, reason: proposals.propose(request.deps.deciding, person, content, reason)
    )
    return confirmation or await binding_page(request, form_values, problems, change)


async def agency_bound(request: PageRequest, text: str) -> tuple[str, str]:
    """Return the code of today, or the typed text and its fault. Raise NotFound for another agency than the person's own,
    except to the node's keepers."""
    if not text:
        return "", request.say("reforms.certificate.whose")
    code, fault = await common.known_code(request, text)
    if not fault and not request.may(Right.CERTIFICATE, Manner.TWO) and code not in _our_codes(request):
        raise NotFound("there is no such agency here")
    return code, fault


async def _binding_change(request: PageRequest, code: str, pem: str) -> tuple[BindingChange | None, Problems]:
    deps = request.deps
    try:
        new_binding = await deps.pool.run(lambda: binding_to_propose(code, pem.encode(), "the file"))
        await check_never_signed_pdfs(deps.store, [new_binding.certificate_der])
        bindings = await deps.registry.bindings(code)
        return proposals.binding_change(bindings, new_binding, deps.clock.now(), deps.deciding.overlap), []
    except (Misconfigured, Clash) as error:
        keys = (f"clash.{error.code}", f"code.{error.code}", "reforms.certificate.over")
        unreadable, refusal_key = (
            "reforms.certificate.unreadable",
            next(key for key in keys if labels.has(key)),
        )
        return None, [("file", request.say(unreadable if isinstance(error, Misconfigured) else refusal_key))]


async def binding_page(
    request: PageRequest,
    form_values: dict[str, str] | None = None,
    problems: Problems | None = None,
    change: BindingChange | None = None,
) -> web.StreamResponse:
    """Ask for agency and file; then show the file's certificate."""
    form_values = {"agency": request.ask("ma")} if form_values is None else form_values
    code = form_values.get("agency", "")
    agency = await request.deps.registry.entry(code) if code else None
    bindings: tuple[Binding, ...] = ()
    if agency is not None and change is not None:
        bindings = tuple(await request.deps.registry.bindings(agency.code))
    facts = [certificate_facts(certificate.certificate_der) for certificate in bindings]
    return await request.form_page(
        "agencies/bind.html",
        problems,
        title=request.say("reforms.bind"),
        given=form_values,
        agency=agency,
        change=change,
        facts=certificate_facts(change.certificate_der) if change is not None else None,
        known=[
            certificate
            for certificate in facts
            if change is not None and certificate.fingerprint in change.earlier
        ],
        action=BINDING,
    )


ROUTES = (
    get(BINDING, "binding", binding_page, needs=BINDS),
    post(BINDING, "binding_looked_at", preview_binding, needs=BINDS, body=FormBody.PARTS),
    post(f"{BINDING}/lap", "binding_proposed", propose_binding, needs=BINDS),
    get(LIST, "proposals", list_proposals, needs=SEES),
    get(f"{LIST}/{{id}}", "proposal", show_proposal, needs=SEES),
    *both(f"{LIST}/{{id}}/phe-duyet", "proposal_approve_page", "proposal_approve", approve, needs=DECIDES),
    *both(f"{LIST}/{{id}}/tu-choi", "proposal_reject_page", "proposal_reject", reject, needs=DECIDES),
)
