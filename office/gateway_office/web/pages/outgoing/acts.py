"""Acts on an outgoing document: sending it once more to recipients it did not reach, or to further ones, cancelling it, or
taking it back to a draft while it still waits. Requests to others in the agency's name: its recall, urging, and the head's
approval of a recall as a step on pages: a clerk asks, the head approves or refuses, the clerk may withdraw before; where no
head of the agency could approve here, the form asks for the approving leader's name. In: a page that describes effect and
recipients, and its form. Out: the act, or its problems."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from aiohttp import web

from gateway.domain.document import OutState, Recipient, RecipientRole
from gateway.domain.outgoing_acts import Act
from gateway.domain.person import Person
from gateway.domain.states import State
from gateway.errors import Clash, GatewayError, NotFound, Refused
from gateway.outgoing import manage, recall
from gateway.outgoing.more_recipients import send_to_more
from gateway.words import labels
from gateway_office.accounts import acting
from gateway_office.accounts.acting import refused as no_right
from gateway_office.domain.roles import Manner, Right
from gateway_office.domain.task import AskState, RecallAsk
from gateway_office.letters import follow_up
from gateway_office.letters.follow_up import Actor, Urging, WantedRecall
from gateway_office.policy import rights
from gateway_office.policy.rights import RecallObjection
from gateway_office.web import answers, routes
from gateway_office.web.dates import day_text, moment_text
from gateway_office.web.forms import SHORTEST_REASON, Problems
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.pages.outgoing import access
from gateway_office.web.pages.outgoing.access import PATH, OutgoingView
from gateway_office.web.routes import Needs, PageRoute

STEP = "step"
STEP_PLACE = "/thu-hoi/de-nghi"
_LONGEST_NAME = 100
_ASKS_OR_DECIDES = (Needs(right=Right.RECALL, manners=(Manner.RECORDED, Manner.APPROVE)),)
_VISIBLE_STATES = frozenset({AskState.OPEN, AskState.REFUSED})


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


get, post, _ = routes.sharing(needs=_ASKS_OR_DECIDES, key="outgoing")
STEP_ROUTES: tuple[PageRoute, ...] = (
    get(PATH + STEP_PLACE, "out_recall_ask", show_step),
    post(PATH + STEP_PLACE + "/phe-duyet", "out_recall_approved", approve_recall),
    post(PATH + STEP_PLACE + "/khong-phe-duyet", "out_recall_refused", refuse_recall),
    post(PATH + STEP_PLACE + "/rut-lai", "out_recall_withdrawn", withdraw_recall),
)


_NOTICE, _TAKE_BACK = "notice", "take_back"
_MOST_LINES = 50


async def send_recall(request: PageRequest) -> web.StreamResponse:
    outgoing, form = await access.find(request), request.form
    codes, is_take_back = list(form.all("to")), form.text("form") == _TAKE_BACK
    if not request.is_act:
        if objection := access.no_recall(outgoing):
            return await show_refusal(request, outgoing, "recall", objection)
        if (open_request := await latest_request(request, outgoing)) is not None and open_request.is_open:
            return request.go(outgoing.path + STEP_PLACE)
        codes = [d.recipient.code for d in access.recallable(outgoing)]
    heads = await approvers(request)
    repeat = partial(
        ask,
        request,
        outgoing,
        "recall",
        title="outgoing.recall.do",
        do="recalls.ask.do" if heads else "outgoing.recall.do",
        grave=not heads,
        chosen=codes,
        can={d.id for d in access.recallable(outgoing)},
        heads=heads,
        forms=[(form, request.say(f"outgoing.recall.{form}")) for form in (_NOTICE, _TAKE_BACK)],
        form_asked=_TAKE_BACK if request.ask("hinh-thuc") == "lay-lai" else _NOTICE,
    )
    problems = _missing_in_recall(request, codes, is_take_back, by_name=not heads)
    if problems or not request.is_act:
        return await repeat(problems)
    if heads:
        return await ask_head(request, outgoing, repeat)
    act = partial(
        recall.recall,
        *request.outgoing,
        outgoing.document.id,
        reason=form.text("reason"),
        approved_by=form.text("approved_by") or None,
        notice_no=form.text("notice_no") or None,
        take_back=is_take_back,
        recipients=codes,
        expect_version=outgoing.document.version,
    )
    message = "outgoing.take_back" if is_take_back else "outgoing.recalled"
    return await attempt(request, outgoing, act, message, repeat)


def _missing_in_recall(
    request: PageRequest, codes: Sequence[str], is_take_back: bool, *, by_name: bool
) -> Problems:
    form, problems = request.form, Problems()
    if not codes:
        problems.append(("to", request.say("outgoing.choose_one")))
    problems += request.short_reason()
    for name in (*(("approved_by",) if by_name else ()), *(() if is_take_back else ("notice_no",))):
        if not form.text(name):
            problems.append(request.missing(name, f"outgoing.recall.{name}"))
    return problems


async def urge(request: PageRequest) -> web.StreamResponse:
    outgoing, form, code = await access.find(request), request.form, request.form.text("to")
    if not request.is_act:
        if objection := access.no_urging(outgoing, request.deps.clock.now()):
            return await show_refusal(request, outgoing, "urge", objection)
        return await _urge_page(request, outgoing, request.ask("noi-nhan"))
    repeat = partial(_urge_page, request, outgoing, code)
    if len(form.text("text")) < SHORTEST_REASON:
        return await repeat([("text", request.say("outgoing.urge.empty"))])
    if form.text("how") not in follow_up.HOWS:
        return await repeat([("how", request.say("outgoing.urge.no_how"))])
    act = partial(
        follow_up.urge,
        *request.outgoing,
        code,
        by=request.person.person.name,
        how=form.text("how"),
        text=form.text("text"),
        every=request.deps.urge_every,
    )
    return await attempt(request, outgoing, act, "outgoing.urged", repeat)


async def _urge_page(
    request: PageRequest, outgoing: OutgoingView, code: str, problems: Problems | None = None
) -> web.StreamResponse:
    """Show all late documents of one recipient; of the first one where none is named."""
    late_deliveries = access.late_deliveries(outgoing, request.deps.clock.now())
    codes = {d.recipient.code: d.recipient.name or d.recipient.code for d in late_deliveries}
    recipient = code if code in codes else next(iter(codes), "")
    urging = await follow_up.urging_of(*request.outgoing, recipient, request.deps.urge_every)
    agency = await request.deps.out.directory.find(recipient, request.deps.out.today())
    return await request.form_page(
        "outgoing/urge.html",
        problems,
        title=access.heading(request, "outgoing.act.urge"),
        found=outgoing,
        others=codes,
        stands=urging,
        office=agency,
        text=request.form.text("text") or _ready_text(request, urging),
        how=request.form.text("how") or follow_up.HOWS[0],
        hows=[(how, request.say(f"outgoing.urge.how.{how}")) for how in follow_up.HOWS],
        days=request.deps.settings.pages.urge_days,
    )


def _ready_text(request: PageRequest, urging: Urging) -> str:
    """Write the text to read out or to send, with every late document of the recipient. To another agency: Vietnamese."""
    say, agency_name = partial(labels.say, lang="vi"), request.own_agency.name
    lines = [
        say(
            "outgoing.urge.line.answer" if d.answer else "outgoing.urge.line",
            code=d.code,
            day=day_text(d.issued_on),
            sent=moment_text(d.sent_at),
            due=moment_text(d.due_at),
        )
        for d in urging.late[:_MOST_LINES]
    ]
    recipient = urging.name or urging.code
    head = say("outgoing.urge.text", agency=agency_name, recipient=recipient, count=len(urging.late))
    closing = say("outgoing.urge.end", person=request.person.person.name, agency=agency_name)
    return "\n".join((head, *lines, closing))


Retry = Callable[[Problems], Awaitable[web.StreamResponse]]
_ROLES = tuple(RecipientRole)
_WITH_TEXT = ("resend", "anew", "further")


async def ask(
    request: PageRequest, outgoing: OutgoingView, which: str, problems: Problems | None = None, **values: Any
) -> web.StreamResponse:  # Any: values of a template
    """Show the page of an act, with its form as it was typed where it was refused."""
    act, text = f"outgoing.act.{which}", f"outgoing.{which}.text" if which in _WITH_TEXT else ""
    options = {
        "part": "outgoing/_questions.html",
        "which": which,
        "found": outgoing,
        "look": "card",
        **values,
    }
    title, button = options.pop("title", act), options.pop("do", act)
    return await request.question(
        problems, title, text, button, back=outgoing.path, hidden={"seen": outgoing.mark}, **options
    )


async def attempt(
    request: PageRequest,
    outgoing: OutgoingView,
    act: Callable[[], Awaitable[object]],
    message: str,
    repeat: Retry,
) -> web.StreamResponse:
    """Act, unless the document has changed meanwhile: then the page names person and time. Objections of the flow stand on
    the form."""
    if sentence := await access.conflict(request, outgoing):
        return await show_conflict(request, outgoing, sentence)
    try:
        await act()
    except (Refused, Clash) as error:
        return await repeat(reasons(request, error))
    return request.confirm(outgoing.path, message)


async def show_conflict(request: PageRequest, outgoing: OutgoingView, sentence: str) -> web.StreamResponse:
    return await request.page(
        "outgoing/conflict.html",
        409,
        title=request.say("outgoing.conflict"),
        found=outgoing,
        sentence=sentence,
        was_late=True,
    )


def reasons(request: PageRequest, error: GatewayError) -> Problems:
    """List the sentences of a verdict, without places of another form."""
    return [("", text) for _, text in answers.reasons_of(error, request.lang)] or [("", request.why(error))]


async def show_refusal(
    request: PageRequest, outgoing: OutgoingView, key: str, objection: str
) -> web.StreamResponse:
    """Show the page of an act that cannot be done now."""
    return await request.page(
        "outgoing/conflict.html",
        title=access.heading(request, f"outgoing.act.{key}"),
        found=outgoing,
        sentence=request.say(objection),
        was_late=False,
    )


async def resend(request: PageRequest) -> web.StreamResponse:
    outgoing, codes = await access.find(request), list(request.form.all("to"))
    if not request.is_act:
        if objection := access.no_resend(outgoing):
            return await show_refusal(request, outgoing, "resend", objection)
        codes = [d.recipient.code for d in outgoing.deliveries if d.state == State.FAILED]
    order = sorted(outgoing.deliveries, key=lambda d: (d.state not in access.RESENDABLE, d.recipient.code))
    repeat = partial(
        ask, request, outgoing, "resend", look="", chosen=codes, again=access.RESENDABLE, order=order
    )
    allowed = {d.recipient.code for d in access.resendable(outgoing)}
    if not request.is_act or not codes:
        return await repeat([("to", request.say("outgoing.choose_one"))])
    if not set(codes) <= allowed and not await access.conflict(request, outgoing):
        return await repeat([("to", request.say("outgoing.not_again"))])
    act = partial(manage.resend, *request.outgoing, outgoing.document.id, codes)
    return await attempt(request, outgoing, act, "outgoing.resent", repeat)


async def correct(request: PageRequest) -> web.StreamResponse:
    """Begin a draft from this document and lead to its page."""
    outgoing = await access.find(request)
    if objection := access.no_correction(outgoing):
        return await show_refusal(request, outgoing, "anew", objection)
    if not request.is_act:
        all_rows = access.recipient_rows(outgoing, request.deps.clock.now(), request.lang)
        rows = [row for row in all_rows if row.word == State.REJECTED]
        return await ask(request, outgoing, "anew", look="", do="outgoing.anew.do", rows=rows)
    draft = await follow_up.begin_correction(*request.outgoing, outgoing.document.id)
    return request.confirm(f"/phat-hanh/{draft.id}", "outgoing.anew")


async def add_recipients(request: PageRequest) -> web.StreamResponse:
    outgoing = await access.find(request)
    if (objection := access.refusal(outgoing, Act.FURTHER)) and not request.is_act:
        return await show_refusal(request, outgoing, "further", objection)
    roles = [(role.value, request.say(f"role.{role}")) for role in _ROLES]
    repeat = partial(ask, request, outgoing, "further", do="outgoing.further.do", roles=roles)
    names = [" ".join(line.split()) for line in request.form.text("to").splitlines() if line.strip()]
    role = (
        RecipientRole(request.form.text("role"))
        if request.form.text("role") in _ROLES
        else RecipientRole.TO_KNOW
    )
    recipients, problems = await _read_recipients(request, outgoing, names, role)
    if problems or not request.is_act:
        return await repeat(problems)
    confirmed = tuple(request.form.all("confirm"))
    act = partial(send_to_more, *request.outgoing, outgoing.document.id, recipients, confirmed)
    return await attempt(request, outgoing, act, "outgoing.further", repeat)


async def _read_recipients(
    request: PageRequest, outgoing: OutgoingView, names: Sequence[str], role: RecipientRole
) -> tuple[tuple[Recipient, ...], Problems]:
    """Read recipients by code or name, each once; one that has the document already is refused."""
    if not names:
        return (), [("to", request.say("outgoing.name_one"))]
    deliveries = (d for d in outgoing.deliveries if d.state not in (State.REJECTED, State.FAILED))
    codes_reached = {d.recipient.code.casefold() for d in deliveries}
    recipients, problems = list[Recipient](), Problems()
    for text in dict.fromkeys(names):
        answer = await request.deps.out.directory.resolve(text, request.deps.out.today())
        code = answer.entry.code if answer.entry is not None else text
        if code.casefold() in codes_reached:
            problems.append(("to", request.say("outgoing.has_it", recipient=text)))
        elif answer.entry is None and answer.nearest:
            problems.append(("to", request.say("outgoing.unknown_code", code=text, list=answer.nearest)))
        recipients.append(Recipient(code=code, role=role))
    return tuple(recipients), problems


async def cancel(request: PageRequest) -> web.StreamResponse:
    outgoing, reason = await access.find(request), request.form.text("reason")
    if (objection := access.no_cancel(outgoing)) and not request.is_act:
        return await show_refusal(request, outgoing, "cancel", objection)
    repeat = partial(ask, request, outgoing, "cancel", grave=True)
    if (problems := request.short_reason()) or not request.is_act:
        return await repeat(problems)
    act = partial(manage.cancel, *request.outgoing, outgoing.document.id, why=reason)
    return await attempt(request, outgoing, act, "outgoing.cancelled", repeat)


async def undo(request: PageRequest) -> web.StreamResponse:
    """Take it back to a draft, at once from its button."""
    outgoing = await access.find(request)
    if outgoing.document.state is not OutState.QUEUED:
        return await show_refusal(request, outgoing, "undo", "outgoing.why.too_late")
    try:
        draft = await follow_up.call_back(*request.outgoing, outgoing.document.id)
    except Clash:
        return await show_refusal(request, outgoing, "undo", "outgoing.why.too_late")
    return request.confirm(f"/phat-hanh/{draft.id}", "outgoing.undone")
