"""Changes of rights that wait for a second administrator, R122 (a second person confirms): confirmed, or
refused with a reason. In: an administrator, a waiting change, its digest as shown. Out: the change in force, or the
objection to it."""

from __future__ import annotations

from aiohttp import web

from gateway.domain.person import Proposal, ProposalState
from gateway.errors import Clash, Denied
from gateway.office.accounts import pending_rights, posts
from gateway.office.web.page_requests import ADMINISTERS, PageRequest
from gateway.office.web.pages.administration import accounts
from gateway.office.web.routes import Access, both
from gateway.policy.two_people import Objection

_PATH = f"{accounts.HOME}/thay-doi/{{id}}"


async def confirm(request: PageRequest) -> web.StreamResponse:
    if not request.is_act:
        return await _ask(request, "confirm", [])
    by, shown = accounts.administrator(request), request.form.text("seen")
    try:
        proposal = await posts.confirm(request.deps.accounts, by, request.path("id"), shown)
    except (Denied, Clash) as error:
        return await _ask(request, "confirm", [("", request.why(error))])
    return request.confirm(_back(proposal), "admin.rights_confirmed")


async def refuse(request: PageRequest) -> web.StreamResponse:
    problems = request.short_reason() if request.is_act else []
    if problems or not request.is_act:
        return await _ask(request, "refuse", problems)
    by = accounts.administrator(request)
    try:
        await pending_rights.refuse(
            request.deps.accounts, by, request.path("id"), request.form.text("reason")
        )
    except (Denied, Clash) as error:
        return await _ask(request, "refuse", [("reason", request.why(error))])
    return request.confirm(accounts.HOME, "admin.rights_refused")


async def _ask(request: PageRequest, act: str, problems: list[tuple[str, str]]) -> web.Response:
    services = request.deps.accounts
    async with services.accounts.read() as view:
        by = accounts.administrator(request)
        proposal, _ = await pending_rights.load(view, by, request.path("id"), services.clock.now())
    (row,) = await accounts.waiting_rows(request, [proposal])
    return await request.question(
        problems,
        f"rights.{act}.title",
        f"rights.{act}.means",
        f"rights.{act}",
        back=_back(proposal),
        more=(f"{row.text}.",),
        closed=_closed(request, proposal) or (row.why_not if act == "confirm" else ""),
        hidden={"seen": proposal.digest},
        part="admin/_questions.html",
        which=f"rights_{act}",
        grave=act == "refuse",
    )


def _closed(request: PageRequest, proposal: Proposal) -> str:
    if proposal.state is not ProposalState.OPEN:
        return request.say(f"clash.{Objection.CLOSED}")
    is_over = request.deps.clock.now() >= proposal.expires_at
    return request.say(f"clash.{Objection.EXPIRED}") if is_over else ""


def _back(proposal: Proposal) -> str:
    person_id = proposal.content.rights[0].person_id
    return f"{accounts.HOME}/tai-khoan/{person_id}" if person_id else accounts.HOME


_AT = {"access": Access.READY, "needs": ADMINISTERS, "key": "administration"}
ROUTES = (
    *both(f"{_PATH}/xac-nhan", "rights_confirm", "rights_confirmed", confirm, **_AT),
    *both(f"{_PATH}/tu-choi", "rights_refuse", "rights_refused", refuse, **_AT),
)
