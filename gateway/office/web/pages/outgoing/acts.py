"""Acts on an outgoing document. What moves it: once more to recipients it did not reach, to further ones, not at all, or
back to a draft while it still waits. What asks something of others in the agency's name: its recall, urging, and the head's
approval of a recall as a step on pages: a clerk asks, the head approves or does not, the clerk may take it back before;
where the agency has no head who could approve here, the form keeps asking for the approving leader's name. In: a page that
says what will happen and to whom, and its form. Out: the act, or what stands against it."""

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
from gateway.office.web.pages.outgoing.seen import HERE, SeenOutgoing
from gateway.office.web.routes import Needs, PageRoute, get, post
from gateway.office.web.visits import Visit
from gateway.outgoing import manage, recall
from gateway.outgoing.further import send_further
from gateway.words import labels

STEP = "step"
STEP_PLACE = "/thu-hoi/de-nghi"
_LONGEST_NAME = 100
_ASKS_OR_DECIDES = (Needs(right=Right.RECALL, manners=(Manner.RECORDED, Manner.APPROVE)),)
_STATES_SHOWN = frozenset({AskState.ASKED, AskState.REFUSED})


async def approvers(visit: Visit) -> Sequence[Person]:
    """The heads who would be asked; nobody where the name of who approved is entered instead."""
    if visit.deps.out.profile.recall_approval != STEP:
        return ()
    found = await acting.heads_of(visit.deps.accounts, visit.here.id)
    return [each for each in found if each.id != visit.person.person.id]


async def latest_asked(visit: Visit, found: SeenOutgoing) -> RecallAsk | None:
    """What the document's own page tells of: what waits, or was turned down the last time."""
    known = await asking.recalls_asked(visit.deps.out, visit.scope(), found.document.id)
    is_shown = bool(known) and known[0].state in _STATES_SHOWN
    return known[0] if is_shown and (_asks(visit) or _decides(visit)) else None


async def head_asked(
    visit: Visit, found: SeenOutgoing, again: Callable[[list[tuple[str, str]]], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """From the form of the recall: the head is asked, and nothing leaves."""
    form = visit.form
    wanted = WantedRecall(
        document_id=found.document.id,
        reason=form.text("reason"),
        notice_no=form.text("notice_no"),
        recipients=tuple(form.all("to")),
        take_back=form.text("form") == "take_back",
    )
    if sentence := await seen.conflict(visit, found):
        return await conflicted(visit, found, sentence)
    try:
        await asking.ask_recall(visit.deps.out, _actor(visit), wanted, expect_version=found.document.version)
    except (Refused, Clash) as why:
        return await again(reasons(visit, why))
    return visit.said(found.path + STEP_PLACE, "recalls.asked")


async def step_shown(visit: Visit) -> web.StreamResponse:
    return await _step_page(visit, await seen.find(visit))


async def recall_approved(visit: Visit) -> web.StreamResponse:
    _must_decide(visit)
    found, ask = await _named_asking(visit)
    name = _approver_name(visit, await _names_in_asking(visit, [ask]), ask)
    doing = asking.approve_recall(visit.deps.out, _actor(visit), ask.id, name=name)
    told = "outgoing.take_back" if ask.take_back else "outgoing.recalled"
    return await _step_done(visit, found, doing, found.path, told)


async def recall_refused(visit: Visit) -> web.StreamResponse:
    _must_decide(visit)
    found, ask = await _named_asking(visit)
    why = visit.form.text("why")
    if len(why) < asking.LEAST_RECALL_REASON:
        return await _step_page(visit, found, [("why", visit.say("form.reason.short"))])
    doing = asking.refuse_recall(visit.deps.out, _actor(visit), ask.id, why)
    return await _step_done(visit, found, doing, found.path + STEP_PLACE, "recalls.refused")


async def recall_withdrawn(visit: Visit) -> web.StreamResponse:
    if not _asks(visit):
        raise no_right(Right.RECALL)
    found, ask = await _named_asking(visit)
    doing = asking.withdraw_recall(visit.deps.out, _actor(visit), ask.id)
    return await _step_done(visit, found, doing, found.path, "recalls.withdrawn")


async def _step_done(
    visit: Visit, found: SeenOutgoing, doing: Awaitable[object], path: str, told: str
) -> web.StreamResponse:
    try:
        await doing
    except (Refused, Clash) as why:
        return await _step_page(visit, found, reasons(visit, why))
    return visit.said(path, told)


async def _step_page(
    visit: Visit, found: SeenOutgoing, problems: Problems | None = None
) -> web.StreamResponse:
    known = await asking.recalls_asked(visit.deps.out, visit.scope(), found.document.id)
    ask = known[0] if known else None
    names = await _names_in_asking(visit, known)
    can = _can_decide(visit, ask) if ask is not None else RecallObjection.RIGHT
    by_code = {each.recipient.code: each.recipient.name or each.recipient.code for each in found.deliveries}
    return await visit.form_page(
        "outgoing/recall_ask.html",
        problems,
        title=visit.say("recalls.title"),
        found=found,
        ask=ask,
        earlier=known[1:],
        names=names,
        to=[(code, by_code.get(code, code)) for code in (ask.recipients if ask else ())],
        may_decide=not isinstance(can, RecallObjection),
        is_own=can is RecallObjection.SELF,
        may_withdraw=ask is not None and ask.is_open and _asks(visit),
        as_name=_approver_name(visit, names, ask) if ask is not None else "",
        heads=", ".join(each.name for each in await acting.heads_of(visit.deps.accounts, visit.here.id)),
    )


async def _named_asking(visit: Visit) -> tuple[SeenOutgoing, RecallAsk]:
    """The asking that the form was made for: another one may wait by now."""
    found = await seen.find(visit)
    known = await asking.recalls_asked(visit.deps.out, visit.scope(), found.document.id)
    ask = next((each for each in known if each.id == visit.form.text("ask")), None)
    if ask is None:
        raise NotFound("nobody asked for this recall")
    return found, ask


async def _names_in_asking(visit: Visit, known: Sequence[RecallAsk]) -> dict[str, str]:
    ids = {id for each in known for id in (each.asked_by, each.asked_for, each.decided_by, each.decided_for)}
    me = visit.person
    lent = {each.delegation.from_id for each in me.rights.lent}
    return dict(await seen.names_told(visit, {id for id in ids | lent if id} | {me.person.id}))


def _approver_name(visit: Visit, names: dict[str, str], ask: RecallAsk) -> str:
    """Who approves, as the notice says it: in Vietnamese, to whoever reads it."""
    person = visit.person.person
    own = ", ".join(each for each in (person.name, person.title) if each)
    granted = _can_decide(visit, ask)
    behalf = None if isinstance(granted, RecallObjection) else granted.on_behalf_of
    if behalf is not None:
        own = labels.say("recalls.behalf", "vi", person=person.name, other=names.get(behalf, behalf))
    return own[:_LONGEST_NAME]


def _can_decide(visit: Visit, ask: RecallAsk) -> RecallObjection | rights.Granted:
    return rights.decides_recall_as(ask, visit.person.rights, visit.here.id, visit.person.at)


def _asks(visit: Visit) -> bool:
    return rights.asks_recall_as(visit.person.rights, visit.here.id, visit.person.at) is not None


def _decides(visit: Visit) -> bool:
    me = visit.person
    return bool(me.rights.grants(Right.RECALL, visit.here.id, me.at, Manner.APPROVE))


def _must_decide(visit: Visit) -> None:
    if not _decides(visit):
        raise no_right(Right.RECALL)


def _actor(visit: Visit) -> Actor:
    return Actor(scope=visit.scope(), rights=visit.person.rights)


_AT = {"needs": _ASKS_OR_DECIDES, "key": "outgoing"}
STEP_ROUTES: tuple[PageRoute, ...] = (
    get(HERE + STEP_PLACE, "out_recall_ask", step_shown, **_AT),
    post(HERE + STEP_PLACE + "/phe-duyet", "out_recall_approved", recall_approved, **_AT),
    post(HERE + STEP_PLACE + "/khong-phe-duyet", "out_recall_refused", recall_refused, **_AT),
    post(HERE + STEP_PLACE + "/rut-lai", "out_recall_withdrawn", recall_withdrawn, **_AT),
)


_NOTICE, _TAKE_BACK = "notice", "take_back"
_MOST_LINES = 50


async def recalled(visit: Visit) -> web.StreamResponse:
    found, form = await seen.find(visit), visit.form
    codes, bare = list(form.all("to")), form.text("form") == _TAKE_BACK
    if not visit.is_act:
        if why := seen.no_recall(found):
            return await refused(visit, found, "recall", why)
        if (waits := await latest_asked(visit, found)) is not None and waits.is_open:
            return visit.go(found.path + STEP_PLACE)
        codes = [each.recipient.code for each in seen.recallable(found)]
    heads = await approvers(visit)
    again = partial(
        ask,
        visit,
        found,
        "recall",
        title="outgoing.recall.do",
        do="recalls.ask.do" if heads else "outgoing.recall.do",
        grave=not heads,
        chosen=codes,
        can={each.id for each in seen.recallable(found)},
        heads=heads,
        forms=[(each, visit.say(f"outgoing.recall.{each}")) for each in (_NOTICE, _TAKE_BACK)],
        form_asked=_TAKE_BACK if visit.ask("hinh-thuc") == "lay-lai" else _NOTICE,
    )
    problems = _missing_in_recall(visit, codes, bare, by_name=not heads)
    if problems or not visit.is_act:
        return await again(problems)
    if heads:
        return await head_asked(visit, found, again)
    act = partial(
        recall.recall,
        visit.deps.out,
        visit.scope(),
        found.document.id,
        reason=form.text("reason"),
        approved_by=form.text("approved_by") or None,
        notice_no=form.text("notice_no") or None,
        take_back=bare,
        recipients=codes,
        expect_version=found.document.version,
    )
    told = "outgoing.take_back" if bare else "outgoing.recalled"
    return await taken(visit, found, act, told, again)


def _missing_in_recall(visit: Visit, codes: Sequence[str], bare: bool, *, by_name: bool) -> Problems:
    form, problems = visit.form, Problems()
    if not codes:
        problems.append(("to", visit.say("outgoing.choose_one")))
    problems += visit.short_reason()
    for name in (*(("approved_by",) if by_name else ()), *(() if bare else ("notice_no",))):
        if not form.text(name):
            problems.append(visit.missing(name, f"outgoing.recall.{name}"))
    return problems


async def urged(visit: Visit) -> web.StreamResponse:
    found, form, code = await seen.find(visit), visit.form, visit.form.text("to")
    if not visit.is_act:
        if why := seen.no_urging(found, visit.deps.clock.now()):
            return await refused(visit, found, "urge", why)
        return await _urge_page(visit, found, visit.ask("noi-nhan"))
    again = partial(_urge_page, visit, found, code)
    if len(form.text("text")) < SHORTEST_REASON:
        return await again([("text", visit.say("outgoing.urge.empty"))])
    if form.text("how") not in asking.HOWS:
        return await again([("how", visit.say("outgoing.urge.no_how"))])
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
    return await taken(visit, found, act, "outgoing.urged", again)


async def _urge_page(
    visit: Visit, found: SeenOutgoing, code: str, problems: Problems | None = None
) -> web.StreamResponse:
    """Of one recipient everything that is late; the first one where none is named."""
    late = seen.late_deliveries(found, visit.deps.clock.now())
    codes = {each.recipient.code: each.recipient.name or each.recipient.code for each in late}
    chosen = code if code in codes else next(iter(codes), "")
    stands = await asking.urging_of(visit.deps.out, visit.scope(), chosen, visit.deps.urge_every)
    office = await visit.deps.out.directory.find(chosen, visit.deps.out.today())
    return await visit.form_page(
        "outgoing/urge.html",
        problems,
        title=seen.heading(visit, "outgoing.act.urge"),
        found=found,
        others=codes,
        stands=stands,
        office=office,
        text=visit.form.text("text") or _ready_text(visit, stands),
        how=visit.form.text("how") or asking.HOWS[0],
        hows=[(each, visit.say(f"outgoing.urge.how.{each}")) for each in asking.HOWS],
        days=visit.deps.settings.pages.urge_days,
    )


def _ready_text(visit: Visit, stands: Urging) -> str:
    """The text to read out or to send, with every late document of the recipient in it. To another agency: Vietnamese."""
    say, here = partial(labels.say, lang="vi"), visit.here.name
    lines = [
        say(
            "outgoing.urge.line.answer" if each.answer else "outgoing.urge.line",
            code=each.code,
            day=day_text(each.issued_on),
            sent=moment_text(each.sent_at),
            due=moment_text(each.due_at),
        )
        for each in stands.late[:_MOST_LINES]
    ]
    to = stands.name or stands.code
    head = say("outgoing.urge.text", agency=here, recipient=to, count=len(stands.late))
    end = say("outgoing.urge.end", person=visit.person.person.name, agency=here)
    return "\n".join((head, *lines, end))


Again = Callable[[Problems], Awaitable[web.StreamResponse]]
_ROLES = tuple(RecipientRole)
_SAY_MORE = ("resend", "anew", "further")


async def ask(
    visit: Visit, found: SeenOutgoing, which: str, problems: Problems | None = None, **values: Any
) -> web.StreamResponse:  # Any: what a template is given
    """The page of an act, and its form as it was typed where it was not taken."""
    act, text = f"outgoing.act.{which}", f"outgoing.{which}.text" if which in _SAY_MORE else ""
    told = {"part": "outgoing/_questions.html", "which": which, "found": found, "look": "card", **values}
    title, do = told.pop("title", act), told.pop("do", act)
    return await visit.question(
        problems, title, text, do, back=found.path, hidden={"seen": found.mark}, **told
    )


async def taken(
    visit: Visit, found: SeenOutgoing, act: Callable[[], Awaitable[object]], told: str, again: Again
) -> web.StreamResponse:
    """Does it, unless somebody was quicker: then the page says who and when. Objections of the flow stand on the form."""
    if sentence := await seen.conflict(visit, found):
        return await conflicted(visit, found, sentence)
    try:
        await act()
    except (Refused, Clash) as why:
        return await again(reasons(visit, why))
    return visit.said(found.path, told)


async def conflicted(visit: Visit, found: SeenOutgoing, sentence: str) -> web.StreamResponse:
    return await visit.page(
        "outgoing/conflict.html", 409, title=visit.say("outgoing.conflict"), found=found, sentence=sentence
    )


def reasons(visit: Visit, why: GatewayError) -> Problems:
    """The sentences of a verdict, without places of another form."""
    return [("", text) for _, text in answers.reasons_of(why, visit.lang)] or [("", visit.why(why))]


async def refused(visit: Visit, found: SeenOutgoing, key: str, why: str) -> web.StreamResponse:
    """The page of an act that cannot be done now."""
    return await visit.page(
        "outgoing/cannot.html",
        title=seen.heading(visit, f"outgoing.act.{key}"),
        found=found,
        why=visit.say(why),
    )


async def resent(visit: Visit) -> web.StreamResponse:
    found, codes = await seen.find(visit), list(visit.form.all("to"))
    if not visit.is_act:
        if why := seen.no_resend(found):
            return await refused(visit, found, "resend", why)
        codes = [each.recipient.code for each in found.deliveries if each.state == "failed"]
    order = sorted(
        found.deliveries, key=lambda each: (each.state not in seen.SENT_AGAIN, each.recipient.code)
    )
    again = partial(ask, visit, found, "resend", look="", chosen=codes, again=seen.SENT_AGAIN, order=order)
    allowed = {each.recipient.code for each in seen.resendable(found)}
    if not visit.is_act or not codes:
        return await again([("to", visit.say("outgoing.choose_one"))])
    if not set(codes) <= allowed and not await seen.conflict(visit, found):
        return await again([("to", visit.say("outgoing.not_again"))])
    act = partial(manage.resend, visit.deps.out, visit.scope(), found.document.id, codes)
    return await taken(visit, found, act, "outgoing.resent", again)


async def corrected(visit: Visit) -> web.StreamResponse:
    """The draft is there afterwards, for its page to be worked on."""
    found = await seen.find(visit)
    if why := seen.no_anew(found):
        return await refused(visit, found, "anew", why)
    if not visit.is_act:
        every = seen.recipient_rows(found, visit.deps.clock.now(), visit.lang)
        rows = [row for row in every if row.word == "rejected"]
        return await ask(visit, found, "anew", look="", do="outgoing.anew.do", rows=rows)
    draft = await asking.begin_anew(visit.deps.out, visit.scope(), found.document.id)
    return visit.said(f"/phat-hanh/{draft.id}", "outgoing.anew")


async def added(visit: Visit) -> web.StreamResponse:
    found = await seen.find(visit)
    if (why := seen.not_away(found)) and not visit.is_act:
        return await refused(visit, found, "further", why)
    roles = [(each.value, visit.say(f"role.{each}")) for each in _ROLES]
    again = partial(ask, visit, found, "further", do="outgoing.further.do", roles=roles)
    given = [" ".join(each.split()) for each in visit.form.text("to").splitlines() if each.strip()]
    role = (
        RecipientRole(visit.form.text("role")) if visit.form.text("role") in _ROLES else RecipientRole.TO_KNOW
    )
    recipients, problems = await _named(visit, found, given, role)
    if problems or not visit.is_act:
        return await again(problems)
    confirmed = tuple(visit.form.all("confirm"))
    act = partial(send_further, visit.deps.out, visit.scope(), found.document.id, recipients, confirmed)
    return await taken(visit, found, act, "outgoing.further", again)


async def _named(
    visit: Visit, found: SeenOutgoing, given: Sequence[str], role: RecipientRole
) -> tuple[tuple[Recipient, ...], Problems]:
    """By code or name, each once; who has the document already needs it no more."""
    if not given:
        return (), [("to", visit.say("outgoing.name_one"))]
    reached = (each for each in found.deliveries if each.state not in ("rejected", "failed"))
    have = {each.recipient.code.casefold() for each in reached}
    recipients, problems = list[Recipient](), Problems()
    for text in dict.fromkeys(given):
        answer = await visit.deps.out.directory.resolve(text, visit.deps.out.today())
        code = answer.entry.code if answer.entry is not None else text
        if code.casefold() in have:
            problems.append(("to", visit.say("outgoing.has_it", recipient=text)))
        elif answer.entry is None and answer.nearest:
            problems.append(("to", visit.say("outgoing.unknown_code", code=text, list=answer.nearest)))
        recipients.append(Recipient(code=code, role=role))
    return tuple(recipients), problems


async def cancelled(visit: Visit) -> web.StreamResponse:
    found, why = await seen.find(visit), visit.form.text("reason")
    if (against := seen.no_cancel(found)) and not visit.is_act:
        return await refused(visit, found, "cancel", against)
    again = partial(ask, visit, found, "cancel", grave=True)
    if (problems := visit.short_reason()) or not visit.is_act:
        return await again(problems)
    act = partial(manage.cancel, visit.deps.out, visit.scope(), found.document.id, why=why)
    return await taken(visit, found, act, "outgoing.cancelled", again)


async def undone(visit: Visit) -> web.StreamResponse:
    """Back to a draft, at once from its button; what was written is a draft again."""
    found = await seen.find(visit)
    if found.document.state is not OutState.QUEUED:
        return await refused(visit, found, "undo", "outgoing.why.too_late")
    try:
        draft = await asking.call_back(visit.deps.out, visit.scope(), found.document.id)
    except Clash:
        return await refused(visit, found, "undo", "outgoing.why.too_late")
    return visit.said(f"/phat-hanh/{draft.id}", "outgoing.undone")
