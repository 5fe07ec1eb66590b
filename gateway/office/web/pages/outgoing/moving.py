"""Acts that move an outgoing document: once more to recipients it did not reach, to further ones, not at all, or back to a
draft while it still waits. In: a page that says what will happen, and its form. Out: the act, or what stands against it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

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


async def opened(
    visit: Visit,
    key: str,
    why: Callable[[SeenOutgoing], str],
    page: Callable[[SeenOutgoing], Awaitable[web.StreamResponse]],
) -> web.StreamResponse:
    """The page of an act, or the one that says why it cannot be done now."""
    found = await seen.find(visit)
    if against := why(found):
        return await refused(visit, found, key, against)
    return await page(found)


async def form(
    visit: Visit, found: SeenOutgoing, key: str, problems: Problems | None = None, **values: object
) -> web.StreamResponse:
    """The form of an act, as it was typed where it was not taken."""
    return await visit.form_page(
        f"outgoing/{key}.html",
        problems,
        title=seen.heading(visit, f"outgoing.act.{key}"),
        found=found,
        **values,
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


async def resending(visit: Visit) -> web.StreamResponse:
    return await opened(
        visit,
        "resend",
        seen.no_resend,
        lambda found: _resend_page(
            visit, found, [each.recipient.code for each in found.deliveries if each.state == "failed"], []
        ),
    )


async def resent(visit: Visit) -> web.StreamResponse:
    found = await seen.find(visit)
    codes = list(visit.form.all("to"))
    again = partial(_resend_page, visit, found, codes)
    if not codes:
        return await again([("to", visit.say("outgoing.choose_one"))])
    allowed = {each.recipient.code for each in seen.resendable(found)}
    if not set(codes) <= allowed and not await seen.conflict(visit, found):
        return await again([("to", visit.say("outgoing.not_again"))])
    act = partial(manage.resend, visit.deps.out, visit.scope(), found.document.id, codes)
    return await taken(visit, found, act, "outgoing.resent", again)


async def _resend_page(
    visit: Visit, found: SeenOutgoing, chosen: Sequence[str], problems: Problems
) -> web.StreamResponse:
    order = sorted(
        found.deliveries, key=lambda each: (each.state not in seen.SENT_AGAIN, each.recipient.code)
    )
    return await form(visit, found, "resend", problems, chosen=chosen, again=seen.SENT_AGAIN, order=order)


async def correcting(visit: Visit) -> web.StreamResponse:
    return await opened(visit, "anew", seen.no_anew, partial(_anew_page, visit))


async def corrected(visit: Visit) -> web.StreamResponse:
    """The draft is there afterwards, for its page to be worked on."""
    found = await seen.find(visit)
    if why := seen.no_anew(found):
        return await refused(visit, found, "anew", why)
    draft = await asking.begin_anew(visit.deps.out, visit.scope(), found.document.id)
    return visit.said(f"/phat-hanh/{draft.id}", "outgoing.anew")


async def _anew_page(visit: Visit, found: SeenOutgoing) -> web.StreamResponse:
    every = seen.recipient_rows(found, visit.deps.clock.now(), visit.lang)
    return await form(visit, found, "anew", [], rows=[row for row in every if row.word == "rejected"])


async def adding(visit: Visit) -> web.StreamResponse:
    return await opened(visit, "further", seen.not_away, partial(_further_page, visit))


async def added(visit: Visit) -> web.StreamResponse:
    found = await seen.find(visit)
    again = partial(_further_page, visit, found)
    given = [" ".join(each.split()) for each in visit.form.text("to").splitlines() if each.strip()]
    role = (
        RecipientRole(visit.form.text("role")) if visit.form.text("role") in _ROLES else RecipientRole.TO_KNOW
    )
    recipients, problems = await _named(visit, found, given, role)
    if problems:
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


async def _further_page(
    visit: Visit, found: SeenOutgoing, problems: Problems | None = None
) -> web.StreamResponse:
    roles = [(each.value, visit.say(f"role.{each}")) for each in _ROLES]
    return await form(visit, found, "further", problems, roles=roles)


async def cancelling(visit: Visit) -> web.StreamResponse:
    return await opened(visit, "cancel", seen.no_cancel, lambda found: form(visit, found, "cancel"))


async def cancelled(visit: Visit) -> web.StreamResponse:
    found = await seen.find(visit)
    again = partial(form, visit, found, "cancel")
    if problems := visit.short_reason():
        return await again(problems)
    why = visit.form.text("reason")
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
