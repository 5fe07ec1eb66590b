"""Acts that move an outgoing document: once more to recipients it did not reach, to further ones, not at all, or back to a
draft while it still waits. In: a page that says what will happen, and its form. Out: the act, or what stands against it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from aiohttp import web

from gateway.domain.document import OutState, Recipient, RecipientRole
from gateway.errors import Clash, GatewayError, Refused
from gateway.office.letters import asking
from gateway.office.web import answers
from gateway.office.web.forms import Problems
from gateway.office.web.pages.outgoing import seen
from gateway.office.web.pages.outgoing.seen import SeenOutgoing
from gateway.office.web.visits import Visit
from gateway.outgoing import manage
from gateway.outgoing.further import send_further

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
