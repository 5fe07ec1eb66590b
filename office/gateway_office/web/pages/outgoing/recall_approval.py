"""The head's approval of a recall, as a step on pages: a clerk asks, the head approves or refuses, the clerk may withdraw
before. In: the document and the latest request. Out: the step's page, or the step taken. Where no head of the agency
could approve here, the form asks for the approving leader's name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from gateway.domain.person import Person
from gateway.errors import Clash, NotFound, Refused
from gateway.words import labels
from gateway_office.accounts import acting
from gateway_office.accounts.acting import refused as no_right
from gateway_office.domain.roles import Manner, Right
from gateway_office.domain.task import AskState, RecallAsk
from gateway_office.letters import follow_up
from gateway_office.letters.follow_up import Actor, WantedRecall
from gateway_office.policy import rights
from gateway_office.policy.rights import RecallObjection
from gateway_office.web import routes
from gateway_office.web.forms import Problems
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.pages.outgoing import access
from gateway_office.web.pages.outgoing.access import PATH, OutgoingView
from gateway_office.web.pages.outgoing.act_pages import reasons, show_conflict
from gateway_office.web.routes import Needs, PageRoute

STEP = "step"
STEP_PLACE = "/thu-hoi/de-nghi"
_LONGEST_NAME = 100
_ASKS_OR_DECIDES = (Needs(right=Right.RECALL, manners=(Manner.RECORDED, Manner.APPROVE)),)
_VISIBLE_STATES = frozenset({AskState.OPEN, AskState.REFUSED})
get, post, _ = routes.sharing(needs=_ASKS_OR_DECIDES, key="outgoing")


async def approvers(request: PageRequest) -> Sequence[Person]:
    """List the heads who would be asked; none where the approver's name is typed instead."""
    if request.deps.out.profile.recall_approval != STEP:
        return ()
    heads = await acting.heads_of(request.deps.accounts, request.own_agency.id)
    return [head for head in heads if head.id != request.person.person.id]


async def latest_request(request: PageRequest, outgoing: OutgoingView) -> RecallAsk | None:
    """Return the recall request to show on the document's page: a waiting one, or the last one if it was refused."""
    requests = await follow_up.list_recall_requests(*request.outgoing, outgoing.document.id)
    is_shown = bool(requests) and requests[0].state in _VISIBLE_STATES
    return requests[0] if is_shown and (_may_ask(request) or _decides(request)) else None


async def ask_head(
    request: PageRequest,
    outgoing: OutgoingView,
    repeat: Callable[[list[tuple[str, str]]], Awaitable[web.StreamResponse]],
) -> web.StreamResponse:
    """Ask the head, from the form of the recall; no packet leaves."""
    form = request.form
    recall_wish = WantedRecall(
        document_id=outgoing.document.id,
        reason=form.text("reason"),
        notice_no=form.text("notice_no"),
        recipients=tuple(form.all("to")),
        take_back=form.text("form") == "take_back",
    )
    if sentence := await access.conflict(request, outgoing):
        return await show_conflict(request, outgoing, sentence)
    try:
        await follow_up.ask_recall(
            request.deps.out, _actor(request), recall_wish, expect_version=outgoing.document.version
        )
    except (Refused, Clash) as error:
        return await repeat(reasons(request, error))
    return request.confirm(outgoing.path + STEP_PLACE, "recalls.asked")


async def show_step(request: PageRequest) -> web.StreamResponse:
    return await _step_page(request, await access.find(request))


async def approve_recall(request: PageRequest) -> web.StreamResponse:
    _check_may_decide(request)
    outgoing, ask = await _load_request(request)
    name = _approver_name(request, await _names_in_requests(request, [ask]), ask)
    approval = follow_up.approve_recall(request.deps.out, _actor(request), ask.id, name=name)
    message = "outgoing.take_back" if ask.take_back else "outgoing.recalled"
    return await _finish_step(request, outgoing, approval, outgoing.path, message)


async def refuse_recall(request: PageRequest) -> web.StreamResponse:
    _check_may_decide(request)
    outgoing, ask = await _load_request(request)
    reason = request.form.text("why")
    if len(reason) < follow_up.LEAST_RECALL_REASON:
        return await _step_page(request, outgoing, [("why", request.say("form.reason.short"))])
    refusal = follow_up.refuse_recall(request.deps.out, _actor(request), ask.id, reason)
    return await _finish_step(request, outgoing, refusal, outgoing.path + STEP_PLACE, "recalls.refused")


async def withdraw_recall(request: PageRequest) -> web.StreamResponse:
    if not _may_ask(request):
        raise no_right(Right.RECALL)
    outgoing, ask = await _load_request(request)
    withdrawal = follow_up.withdraw_recall(request.deps.out, _actor(request), ask.id)
    return await _finish_step(request, outgoing, withdrawal, outgoing.path, "recalls.withdrawn")


async def _finish_step(
    request: PageRequest, outgoing: OutgoingView, step: Awaitable[object], path: str, message: str
) -> web.StreamResponse:
    try:
        await step
    except (Refused, Clash) as error:
        return await _step_page(request, outgoing, reasons(request, error))
    return request.confirm(path, message)


async def _step_page(
    request: PageRequest, outgoing: OutgoingView, problems: Problems | None = None
) -> web.StreamResponse:
    requests = await follow_up.list_recall_requests(*request.outgoing, outgoing.document.id)
    ask = requests[0] if requests else None
    names = await _names_in_requests(request, requests)
    can = _can_decide(request, ask) if ask is not None else RecallObjection.RIGHT
    by_code = {d.recipient.code: d.recipient.name or d.recipient.code for d in outgoing.deliveries}
    return await request.form_page(
        "outgoing/recall_ask.html",
        problems,
        title=request.say("recalls.title"),
        found=outgoing,
        ask=ask,
        earlier=requests[1:],
        names=names,
        to=[(code, by_code.get(code, code)) for code in (ask.recipients if ask else ())],
        may_decide=not isinstance(can, RecallObjection),
        is_own=can is RecallObjection.SELF,
        may_withdraw=ask is not None and ask.is_open and _may_ask(request),
        as_name=_approver_name(request, names, ask) if ask is not None else "",
        heads=", ".join(
            head.name for head in await acting.heads_of(request.deps.accounts, request.own_agency.id)
        ),
    )


async def _load_request(request: PageRequest) -> tuple[OutgoingView, RecallAsk]:
    """Load the request that the form was made for: another one may wait by now."""
    outgoing = await access.find(request)
    requests = await follow_up.list_recall_requests(*request.outgoing, outgoing.document.id)
    ask = next((r for r in requests if r.id == request.form.text("ask")), None)
    if ask is None:
        raise NotFound("nobody asked for this recall")
    return outgoing, ask


async def _names_in_requests(request: PageRequest, requests: Sequence[RecallAsk]) -> dict[str, str]:
    ids = {id for r in requests for id in (r.asked_by, r.asked_for, r.decided_by, r.decided_for)}
    me = request.person
    delegators = {r.delegation.from_id for r in me.rights.loans}
    return dict(await access.names_of_people(request, {id for id in ids | delegators if id} | {me.person.id}))


def _approver_name(request: PageRequest, names: dict[str, str], ask: RecallAsk) -> str:
    """Return the approver as the notice names it: in Vietnamese, in any language of the page."""
    person = request.person.person
    name = ", ".join(part for part in (person.name, person.title) if part)
    granted = _can_decide(request, ask)
    behalf = None if isinstance(granted, RecallObjection) else granted.on_behalf_of
    if behalf is not None:
        name = labels.say("recalls.behalf", "vi", person=person.name, other=names.get(behalf, behalf))
    return name[:_LONGEST_NAME]


def _can_decide(request: PageRequest, ask: RecallAsk) -> RecallObjection | rights.Grant:
    return rights.decides_recall_as(ask, request.person.rights, request.own_agency.id, request.person.at)


def _may_ask(request: PageRequest) -> bool:
    return rights.asks_recall_as(request.person.rights, request.own_agency.id, request.person.at) is not None


def _decides(request: PageRequest) -> bool:
    me = request.person
    return bool(me.rights.grants(Right.RECALL, request.own_agency.id, me.at, Manner.APPROVE))


def _check_may_decide(request: PageRequest) -> None:
    if not _decides(request):
        raise no_right(Right.RECALL)


def _actor(request: PageRequest) -> Actor:
    return Actor(scope=request.scope(), rights=request.person.rights)


STEP_ROUTES: tuple[PageRoute, ...] = (
    get(PATH + STEP_PLACE, "out_recall_ask", show_step),
    post(PATH + STEP_PLACE + "/phe-duyet", "out_recall_approved", approve_recall),
    post(PATH + STEP_PLACE + "/khong-phe-duyet", "out_recall_refused", refuse_recall),
    post(PATH + STEP_PLACE + "/rut-lai", "out_recall_withdrawn", withdraw_recall),
)
