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
from gateway.domain.person import Person
from gateway.errors import Clash, GatewayError, NotFound, Refused
from gateway.office.accounts import acting
from gateway.office.accounts.acting import refused as no_right
from gateway.office.domain.roles import Manner, Right
from gateway.office.domain.task import AskState, RecallAsk
from gateway.office.letters import asking
from gateway.office.letters.asking import Actor, Urging, WantedRecall
from gateway.office.policy import rights
from gateway.office.policy.rights import RecallObjection
from gateway.office.web import answers
from gateway.office.web.dates import day_text, moment_text
from gateway.office.web.forms import SHORTEST_REASON, Problems
from gateway.office.web.pages.outgoing import seen
from gateway.office.web.pages.outgoing.seen import PATH, OutgoingView
from gateway.office.web.routes import Needs, PageRoute, get, post
from gateway.office.web.visits import Visit
from gateway.outgoing import manage, recall
from gateway.outgoing.further import send_further
from gateway.words import labels

STEP = "step"
STEP_PLACE = "/thu-hoi/de-nghi"
_LONGEST_NAME = 100
_ASKS_OR_DECIDES = (Needs(right=Right.RECALL, manners=(Manner.RECORDED, Manner.APPROVE)),)
_VISIBLE_STATES = frozenset({AskState.OPEN, AskState.REFUSED})


async def approvers(visit: Visit) -> Sequence[Person]:
    """List the heads who would be asked; none where the approver's name is typed instead."""
    if visit.deps.out.profile.recall_approval != STEP:
        return ()
    heads = await acting.heads_of(visit.deps.accounts, visit.own_agency.id)
    return [head for head in heads if head.id != visit.person.person.id]


async def latest_request(visit: Visit, outgoing: OutgoingView) -> RecallAsk | None:
    """Return the recall request to show on the document's page: a waiting one, or the last one if it was refused."""
    requests = await asking.recalls_asked(visit.deps.out, visit.scope(), outgoing.document.id)
    is_shown = bool(requests) and requests[0].state in _VISIBLE_STATES
    return requests[0] if is_shown and (_may_ask(visit) or _decides(visit)) else None


async def ask_head(
    visit: Visit,
    outgoing: OutgoingView,
    repeat: Callable[[list[tuple[str, str]]], Awaitable[web.StreamResponse]],
) -> web.StreamResponse:
    """Ask the head, from the form of the recall; no packet leaves."""
    form = visit.form
    recall_wish = WantedRecall(
        document_id=outgoing.document.id,
        reason=form.text("reason"),
        notice_no=form.text("notice_no"),
        recipients=tuple(form.all("to")),
        take_back=form.text("form") == "take_back",
    )
    if sentence := await seen.conflict(visit, outgoing):
        return await show_conflict(visit, outgoing, sentence)
    try:
        await asking.ask_recall(
            visit.deps.out, _actor(visit), recall_wish, expect_version=outgoing.document.version
        )
    except (Refused, Clash) as error:
        return await repeat(reasons(visit, error))
    return visit.confirm(outgoing.path + STEP_PLACE, "recalls.asked")


async def show_step(visit: Visit) -> web.StreamResponse:
    return await _step_page(visit, await seen.find(visit))


async def approve_recall(visit: Visit) -> web.StreamResponse:
    _check_may_decide(visit)
    outgoing, ask = await _load_request(visit)
    name = _approver_name(visit, await _names_in_requests(visit, [ask]), ask)
    approval = asking.approve_recall(visit.deps.out, _actor(visit), ask.id, name=name)
    message = "outgoing.take_back" if ask.take_back else "outgoing.recalled"
    return await _finish_step(visit, outgoing, approval, outgoing.path, message)


async def refuse_recall(visit: Visit) -> web.StreamResponse:
    _check_may_decide(visit)
    outgoing, ask = await _load_request(visit)
    reason = visit.form.text("why")
    if len(reason) < asking.LEAST_RECALL_REASON:
        return await _step_page(visit, outgoing, [("why", visit.say("form.reason.short"))])
    refusal = asking.refuse_recall(visit.deps.out, _actor(visit), ask.id, reason)
    return await _finish_step(visit, outgoing, refusal, outgoing.path + STEP_PLACE, "recalls.refused")


async def withdraw_recall(visit: Visit) -> web.StreamResponse:
    if not _may_ask(visit):
        raise no_right(Right.RECALL)
    outgoing, ask = await _load_request(visit)
    withdrawal = asking.withdraw_recall(visit.deps.out, _actor(visit), ask.id)
    return await _finish_step(visit, outgoing, withdrawal, outgoing.path, "recalls.withdrawn")


async def _finish_step(
    visit: Visit, outgoing: OutgoingView, step: Awaitable[object], path: str, message: str
) -> web.StreamResponse:
    try:
        await step
    except (Refused, Clash) as error:
        return await _step_page(visit, outgoing, reasons(visit, error))
    return visit.confirm(path, message)


async def _step_page(
    visit: Visit, outgoing: OutgoingView, problems: Problems | None = None
) -> web.StreamResponse:
    requests = await asking.recalls_asked(visit.deps.out, visit.scope(), outgoing.document.id)
    ask = requests[0] if requests else None
    names = await _names_in_requests(visit, requests)
    can = _can_decide(visit, ask) if ask is not None else RecallObjection.RIGHT
    by_code = {d.recipient.code: d.recipient.name or d.recipient.code for d in outgoing.deliveries}
    return await visit.form_page(
        "outgoing/recall_ask.html",
        problems,
        title=visit.say("recalls.title"),
        found=outgoing,
        ask=ask,
        earlier=requests[1:],
        names=names,
        to=[(code, by_code.get(code, code)) for code in (ask.recipients if ask else ())],
        may_decide=not isinstance(can, RecallObjection),
        is_own=can is RecallObjection.SELF,
        may_withdraw=ask is not None and ask.is_open and _may_ask(visit),
        as_name=_approver_name(visit, names, ask) if ask is not None else "",
        heads=", ".join(
            head.name for head in await acting.heads_of(visit.deps.accounts, visit.own_agency.id)
        ),
    )


async def _load_request(visit: Visit) -> tuple[OutgoingView, RecallAsk]:
    """Load the request that the form was made for: another one may wait by now."""
    outgoing = await seen.find(visit)
    requests = await asking.recalls_asked(visit.deps.out, visit.scope(), outgoing.document.id)
    ask = next((r for r in requests if r.id == visit.form.text("ask")), None)
    if ask is None:
        raise NotFound("nobody asked for this recall")
    return outgoing, ask


async def _names_in_requests(visit: Visit, requests: Sequence[RecallAsk]) -> dict[str, str]:
    ids = {id for r in requests for id in (r.asked_by, r.asked_for, r.decided_by, r.decided_for)}
    me = visit.person
    delegators = {r.delegation.from_id for r in me.rights.loans}
    return dict(await seen.names_of_people(visit, {id for id in ids | delegators if id} | {me.person.id}))


def _approver_name(visit: Visit, names: dict[str, str], ask: RecallAsk) -> str:
    """Return the approver as the notice names it: in Vietnamese, in any language of the page."""
    person = visit.person.person
    name = ", ".join(part for part in (person.name, person.title) if part)
    granted = _can_decide(visit, ask)
    behalf = None if isinstance(granted, RecallObjection) else granted.on_behalf_of
    if behalf is not None:
        name = labels.say("recalls.behalf", "vi", person=person.name, other=names.get(behalf, behalf))
    return name[:_LONGEST_NAME]


def _can_decide(visit: Visit, ask: RecallAsk) -> RecallObjection | rights.Grant:
    return rights.decides_recall_as(ask, visit.person.rights, visit.own_agency.id, visit.person.at)


def _may_ask(visit: Visit) -> bool:
    return rights.asks_recall_as(visit.person.rights, visit.own_agency.id, visit.person.at) is not None


def _decides(visit: Visit) -> bool:
    me = visit.person
    return bool(me.rights.grants(Right.RECALL, visit.own_agency.id, me.at, Manner.APPROVE))


def _check_may_decide(visit: Visit) -> None:
    if not _decides(visit):
        raise no_right(Right.RECALL)


def _actor(visit: Visit) -> Actor:
    return Actor(scope=visit.scope(), rights=visit.person.rights)


_AT = {"needs": _ASKS_OR_DECIDES, "key": "outgoing"}
STEP_ROUTES: tuple[PageRoute, ...] = (
    get(PATH + STEP_PLACE, "out_recall_ask", show_step, **_AT),
    post(PATH + STEP_PLACE + "/phe-duyet", "out_recall_approved", approve_recall, **_AT),
    post(PATH + STEP_PLACE + "/khong-phe-duyet", "out_recall_refused", refuse_recall, **_AT),
    post(PATH + STEP_PLACE + "/rut-lai", "out_recall_withdrawn", withdraw_recall, **_AT),
)


_NOTICE, _TAKE_BACK = "notice", "take_back"
_MOST_LINES = 50


async def send_recall(visit: Visit) -> web.StreamResponse:
    outgoing, form = await seen.find(visit), visit.form
    codes, is_take_back = list(form.all("to")), form.text("form") == _TAKE_BACK
    if not visit.is_act:
        if objection := seen.no_recall(outgoing):
            return await show_refusal(visit, outgoing, "recall", objection)
        if (open_request := await latest_request(visit, outgoing)) is not None and open_request.is_open:
            return visit.go(outgoing.path + STEP_PLACE)
        codes = [d.recipient.code for d in seen.recallable(outgoing)]
    heads = await approvers(visit)
    repeat = partial(
        ask,
        visit,
        outgoing,
        "recall",
        title="outgoing.recall.do",
        do="recalls.ask.do" if heads else "outgoing.recall.do",
        grave=not heads,
        chosen=codes,
        can={d.id for d in seen.recallable(outgoing)},
        heads=heads,
        forms=[(form, visit.say(f"outgoing.recall.{form}")) for form in (_NOTICE, _TAKE_BACK)],
        form_asked=_TAKE_BACK if visit.ask("hinh-thuc") == "lay-lai" else _NOTICE,
    )
    problems = _missing_in_recall(visit, codes, is_take_back, by_name=not heads)
    if problems or not visit.is_act:
        return await repeat(problems)
    if heads:
        return await ask_head(visit, outgoing, repeat)
    act = partial(
        recall.recall,
        visit.deps.out,
        visit.scope(),
        outgoing.document.id,
        reason=form.text("reason"),
        approved_by=form.text("approved_by") or None,
        notice_no=form.text("notice_no") or None,
        take_back=is_take_back,
        recipients=codes,
        expect_version=outgoing.document.version,
    )
    message = "outgoing.take_back" if is_take_back else "outgoing.recalled"
    return await attempt(visit, outgoing, act, message, repeat)


def _missing_in_recall(visit: Visit, codes: Sequence[str], is_take_back: bool, *, by_name: bool) -> Problems:
    form, problems = visit.form, Problems()
    if not codes:
        problems.append(("to", visit.say("outgoing.choose_one")))
    problems += visit.short_reason()
    for name in (*(("approved_by",) if by_name else ()), *(() if is_take_back else ("notice_no",))):
        if not form.text(name):
            problems.append(visit.missing(name, f"outgoing.recall.{name}"))
    return problems


async def urge(visit: Visit) -> web.StreamResponse:
    outgoing, form, code = await seen.find(visit), visit.form, visit.form.text("to")
    if not visit.is_act:
        if objection := seen.no_urging(outgoing, visit.deps.clock.now()):
            return await show_refusal(visit, outgoing, "urge", objection)
        return await _urge_page(visit, outgoing, visit.ask("noi-nhan"))
    repeat = partial(_urge_page, visit, outgoing, code)
    if len(form.text("text")) < SHORTEST_REASON:
        return await repeat([("text", visit.say("outgoing.urge.empty"))])
    if form.text("how") not in asking.HOWS:
        return await repeat([("how", visit.say("outgoing.urge.no_how"))])
    act = partial(
        asking.urge,
        visit.deps.out,
        visit.scope(),
        code,
        by=visit.person.person.name,
        how=form.text("how"),
        text=form.text("text"),
        every=visit.deps.urge_every,
    )
    return await attempt(visit, outgoing, act, "outgoing.urged", repeat)


async def _urge_page(
    visit: Visit, outgoing: OutgoingView, code: str, problems: Problems | None = None
) -> web.StreamResponse:
    """Show all late documents of one recipient; of the first one where none is named."""
    late_deliveries = seen.late_deliveries(outgoing, visit.deps.clock.now())
    codes = {d.recipient.code: d.recipient.name or d.recipient.code for d in late_deliveries}
    recipient = code if code in codes else next(iter(codes), "")
    urging = await asking.urging_of(visit.deps.out, visit.scope(), recipient, visit.deps.urge_every)
    agency = await visit.deps.out.directory.find(recipient, visit.deps.out.today())
    return await visit.form_page(
        "outgoing/urge.html",
        problems,
        title=seen.heading(visit, "outgoing.act.urge"),
        found=outgoing,
        others=codes,
        stands=urging,
        office=agency,
        text=visit.form.text("text") or _ready_text(visit, urging),
        how=visit.form.text("how") or asking.HOWS[0],
        hows=[(how, visit.say(f"outgoing.urge.how.{how}")) for how in asking.HOWS],
        days=visit.deps.settings.pages.urge_days,
    )


def _ready_text(visit: Visit, urging: Urging) -> str:
    """Write the text to read out or to send, with every late document of the recipient. To another agency: Vietnamese."""
    say, agency_name = partial(labels.say, lang="vi"), visit.own_agency.name
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
    closing = say("outgoing.urge.end", person=visit.person.person.name, agency=agency_name)
    return "\n".join((head, *lines, closing))


Retry = Callable[[Problems], Awaitable[web.StreamResponse]]
_ROLES = tuple(RecipientRole)
_WITH_TEXT = ("resend", "anew", "further")


async def ask(
    visit: Visit, outgoing: OutgoingView, which: str, problems: Problems | None = None, **values: Any
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
    return await visit.question(
        problems, title, text, button, back=outgoing.path, hidden={"seen": outgoing.mark}, **options
    )


async def attempt(
    visit: Visit, outgoing: OutgoingView, act: Callable[[], Awaitable[object]], message: str, repeat: Retry
) -> web.StreamResponse:
    """Act, unless the document has changed meanwhile: then the page names person and time. Objections of the flow stand on
    the form."""
    if sentence := await seen.conflict(visit, outgoing):
        return await show_conflict(visit, outgoing, sentence)
    try:
        await act()
    except (Refused, Clash) as error:
        return await repeat(reasons(visit, error))
    return visit.confirm(outgoing.path, message)


async def show_conflict(visit: Visit, outgoing: OutgoingView, sentence: str) -> web.StreamResponse:
    return await visit.page(
        "outgoing/conflict.html", 409, title=visit.say("outgoing.conflict"), found=outgoing, sentence=sentence
    )


def reasons(visit: Visit, error: GatewayError) -> Problems:
    """List the sentences of a verdict, without places of another form."""
    return [("", text) for _, text in answers.reasons_of(error, visit.lang)] or [("", visit.why(error))]


async def show_refusal(visit: Visit, outgoing: OutgoingView, key: str, objection: str) -> web.StreamResponse:
    """Show the page of an act that cannot be done now."""
    return await visit.page(
        "outgoing/cannot.html",
        title=seen.heading(visit, f"outgoing.act.{key}"),
        found=outgoing,
        why=visit.say(objection),
    )


async def resend(visit: Visit) -> web.StreamResponse:
    outgoing, codes = await seen.find(visit), list(visit.form.all("to"))
    if not visit.is_act:
        if objection := seen.no_resend(outgoing):
            return await show_refusal(visit, outgoing, "resend", objection)
        codes = [d.recipient.code for d in outgoing.deliveries if d.state == "failed"]
    order = sorted(outgoing.deliveries, key=lambda d: (d.state not in seen.RESENDABLE, d.recipient.code))
    repeat = partial(
        ask, visit, outgoing, "resend", look="", chosen=codes, again=seen.RESENDABLE, order=order
    )
    allowed = {d.recipient.code for d in seen.resendable(outgoing)}
    if not visit.is_act or not codes:
        return await repeat([("to", visit.say("outgoing.choose_one"))])
    if not set(codes) <= allowed and not await seen.conflict(visit, outgoing):
        return await repeat([("to", visit.say("outgoing.not_again"))])
    act = partial(manage.resend, visit.deps.out, visit.scope(), outgoing.document.id, codes)
    return await attempt(visit, outgoing, act, "outgoing.resent", repeat)


async def correct(visit: Visit) -> web.StreamResponse:
    """Begin a draft from this document and lead to its page."""
    outgoing = await seen.find(visit)
    if objection := seen.no_correction(outgoing):
        return await show_refusal(visit, outgoing, "anew", objection)
    if not visit.is_act:
        all_rows = seen.recipient_rows(outgoing, visit.deps.clock.now(), visit.lang)
        rows = [row for row in all_rows if row.word == "rejected"]
        return await ask(visit, outgoing, "anew", look="", do="outgoing.anew.do", rows=rows)
    draft = await asking.begin_anew(visit.deps.out, visit.scope(), outgoing.document.id)
    return visit.confirm(f"/phat-hanh/{draft.id}", "outgoing.anew")


async def add_recipients(visit: Visit) -> web.StreamResponse:
    outgoing = await seen.find(visit)
    if (objection := seen.not_away(outgoing)) and not visit.is_act:
        return await show_refusal(visit, outgoing, "further", objection)
    roles = [(role.value, visit.say(f"role.{role}")) for role in _ROLES]
    repeat = partial(ask, visit, outgoing, "further", do="outgoing.further.do", roles=roles)
    names = [" ".join(line.split()) for line in visit.form.text("to").splitlines() if line.strip()]
    role = (
        RecipientRole(visit.form.text("role")) if visit.form.text("role") in _ROLES else RecipientRole.TO_KNOW
    )
    recipients, problems = await _read_recipients(visit, outgoing, names, role)
    if problems or not visit.is_act:
        return await repeat(problems)
    confirmed = tuple(visit.form.all("confirm"))
    act = partial(send_further, visit.deps.out, visit.scope(), outgoing.document.id, recipients, confirmed)
    return await attempt(visit, outgoing, act, "outgoing.further", repeat)


async def _read_recipients(
    visit: Visit, outgoing: OutgoingView, names: Sequence[str], role: RecipientRole
) -> tuple[tuple[Recipient, ...], Problems]:
    """Read recipients by code or name, each once; one that has the document already is refused."""
    if not names:
        return (), [("to", visit.say("outgoing.name_one"))]
    deliveries = (d for d in outgoing.deliveries if d.state not in ("rejected", "failed"))
    codes_reached = {d.recipient.code.casefold() for d in deliveries}
    recipients, problems = list[Recipient](), Problems()
    for text in dict.fromkeys(names):
        answer = await visit.deps.out.directory.resolve(text, visit.deps.out.today())
        code = answer.entry.code if answer.entry is not None else text
        if code.casefold() in codes_reached:
            problems.append(("to", visit.say("outgoing.has_it", recipient=text)))
        elif answer.entry is None and answer.nearest:
            problems.append(("to", visit.say("outgoing.unknown_code", code=text, list=answer.nearest)))
        recipients.append(Recipient(code=code, role=role))
    return tuple(recipients), problems


async def cancel(visit: Visit) -> web.StreamResponse:
    outgoing, reason = await seen.find(visit), visit.form.text("reason")
    if (objection := seen.no_cancel(outgoing)) and not visit.is_act:
        return await show_refusal(visit, outgoing, "cancel", objection)
    repeat = partial(ask, visit, outgoing, "cancel", grave=True)
    if (problems := visit.short_reason()) or not visit.is_act:
        return await repeat(problems)
    act = partial(manage.cancel, visit.deps.out, visit.scope(), outgoing.document.id, why=reason)
    return await attempt(visit, outgoing, act, "outgoing.cancelled", repeat)


async def undo(visit: Visit) -> web.StreamResponse:
    """Take it back to a draft, at once from its button."""
    outgoing = await seen.find(visit)
    if outgoing.document.state is not OutState.QUEUED:
        return await show_refusal(visit, outgoing, "undo", "outgoing.why.too_late")
    try:
        draft = await asking.call_back(visit.deps.out, visit.scope(), outgoing.document.id)
    except Clash:
        return await show_refusal(visit, outgoing, "undo", "outgoing.why.too_late")
    return visit.confirm(f"/phat-hanh/{draft.id}", "outgoing.undone")
