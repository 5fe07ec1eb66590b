"""Changes of rights that wait for a second administrator, R122 (a second person confirms): confirmed, or
refused with a reason. In: an administrator, a waiting change, its digest as shown. Out: the change in force, or the
objection to it."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from gateway.domain.person import Proposal, ProposalState
from gateway.errors import Clash, Denied
from gateway.policy.two_people import Objection
from gateway_office.accounts import pending_rights, posts
from gateway_office.web.forms import Problems
from gateway_office.web.page_requests import PageRequest, faults_on
from gateway_office.web.pages.administration import accounts
from gateway_office.web.pages.administration.accounts import both

_PATH = f"{accounts.HOME}/thay-doi/{{id}}"


async def _ask(request: PageRequest, problems: Problems | None = None, *, act: str) -> web.Response:
    services = request.deps.accounts
    async with services.accounts.read() as view:
        by = accounts.administrator(request)
        proposal, _ = await pending_rights.load(view, by, request.path("id"), services.clock.now())
    (row,) = await accounts.waiting_rows(request, [proposal])
    return await request.question(
        problems,
        f"rights.{act}",
        back=_back(proposal),
        more=(f"{row.text}.",),
        closed=_closed(request, proposal) or (row.why_not if act == "confirm" else ""),
        hidden={"seen": proposal.digest},
        part="admin/_questions.html",
        which=f"rights_{act}",
        grave=act == "refuse",
    )


@faults_on(partial(_ask, act="confirm"), Denied, Clash)
async def confirm(request: PageRequest) -> web.StreamResponse:
    by, digest = accounts.administrator(request), request.form.text("seen")
    proposal = await posts.confirm(request.deps.accounts, by, request.path("id"), digest)
    return request.confirm(_back(proposal), "admin.rights_confirmed")


_ask_refusal = partial(_ask, act="refuse")


@faults_on(_ask_refusal, Denied, Clash, other="reason")
async def refuse(request: PageRequest) -> web.StreamResponse:
    if problems := request.short_reason():
        return await _ask_refusal(request, problems)
    by, reason = accounts.administrator(request), request.form.text("reason")
    await pending_rights.refuse(request.deps.accounts, by, request.path("id"), reason)
    return request.confirm(accounts.HOME, "admin.rights_refused")


def _closed(request: PageRequest, proposal: Proposal) -> str:
    if proposal.state is not ProposalState.OPEN:
        return request.say(f"clash.{Objection.CLOSED}")
    is_over = request.deps.clock.now() >= proposal.expires_at
    return request.say(f"clash.{Objection.EXPIRED}") if is_over else ""


def _back(proposal: Proposal) -> str:
    person_id = proposal.content.rights[0].person_id
    return f"{accounts.HOME}/tai-khoan/{person_id}" if person_id else accounts.HOME


ROUTES = (
    *both(f"{_PATH}/xac-nhan", "rights_confirm", "rights_confirmed", confirm),
    *both(f"{_PATH}/tu-choi", "rights_refuse", "rights_refused", refuse),
)
