"""Acts that move an outgoing document: once more to recipients it did not reach, to further ones, not at all, or back to a
draft while it still waits. In: a page that says what will happen, and its form. Out: the act, or what stands against it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from gateway.domain.document import OutState, Recipient, RecipientRole
from gateway.errors import Clash, GatewayError, Refused
from gateway.outgoing import anew, further, manage, undo
from gateway.web import failing
from gateway.web.pages.outgoing import acts, rows, seen
from gateway.web.pages.outgoing.seen import Found
from gateway.web.visit import Visit

SHORTEST_REASON = 10
_ROLES = tuple(RecipientRole)


async def taken(
    visit: Visit,
    found: Found,
    act: Callable[[], Awaitable[object]],
    told: str,
    again: Callable[[list[tuple[str, str]]], Awaitable[web.StreamResponse]],
) -> web.StreamResponse:
    """Does it, unless somebody was quicker: then the page says who and when. Objections of the flow stand on the form."""
    if sentence := await seen.conflict(visit, found):
        return await conflicted(visit, found, sentence)
    try:
        await act()
    except Refused as why:
        return await again(reasons(visit, why))
    except Clash as why:
        return await again([("", failing.of_error(why, visit.lang).title)])
    return visit.said(found.path, told)


async def conflicted(visit: Visit, found: Found, sentence: str) -> web.StreamResponse:
    return await visit.page(
        "outgoing/conflict.html", 409, title=visit.say("outgoing.conflict"), found=found, sentence=sentence
    )


def reasons(visit: Visit, why: GatewayError) -> list[tuple[str, str]]:
    """The sentences of a verdict, without places of another form."""
    return [("", text) for _, text in failing.reasons(why, visit.lang)] or [
        ("", failing.of_error(why, visit.lang).title)
    ]


async def refused(visit: Visit, found: Found, key: str, why: str) -> web.StreamResponse:
    """The page of an act that cannot be done now."""
    return await visit.page(
        "outgoing/cannot.html",
        title=seen.heading(visit, f"outgoing.act.{key}"),
        found=found,
        why=visit.say(why),
    )


async def resending(visit: Visit) -> web.StreamResponse:
    found = await seen.find(visit)
    if why := acts.no_resend(found):
        return await refused(visit, found, "resend", why)
    failed = [each.recipient.code for each in found.deliveries if each.state == "failed"]
    return await _resend_page(visit, found, [], failed)


async def resent(visit: Visit) -> web.StreamResponse:
    found = await seen.find(visit)
    codes = list(visit.form.all("to"))

    async def again(problems: list[tuple[str, str]]) -> web.StreamResponse:
        return await _resend_page(visit, found, problems, codes)

    if not codes:
        return await again([("to", visit.say("outgoing.choose_one"))])
    allowed = {each.recipient.code for each in acts.resendable(found)}
    if not set(codes) <= allowed and not await seen.conflict(visit, found):
        return await again([("to", visit.say("outgoing.not_again"))])
    return await taken(
        visit,
        found,
        lambda: manage.resend(visit.deps.out, visit.scope(), found.document.id, codes),
        "outgoing.resent",
        again,
    )


async def _resend_page(
    visit: Visit, found: Found, problems: list[tuple[str, str]], chosen: Sequence[str]
) -> web.StreamResponse:
    return await visit.page(
        "outgoing/resend.html",
        422 if problems else 200,
        title=seen.heading(visit, "outgoing.act.resend"),
        found=found,
        problems=problems,
        chosen=chosen,
        again=acts.AGAIN,
        order=sorted(found.deliveries, key=lambda each: (each.state not in acts.AGAIN, each.recipient.code)),
    )


async def correcting(visit: Visit) -> web.StreamResponse:
    found = await seen.find(visit)
    if why := acts.no_anew(found):
        return await refused(visit, found, "anew", why)
    return await _anew_page(visit, found, [])


async def corrected(visit: Visit) -> web.StreamResponse:
    """The draft is there afterwards, for its page to be worked on."""
    found = await seen.find(visit)
    if why := acts.no_anew(found):
        return await refused(visit, found, "anew", why)
    draft = await anew.begin(visit.deps.out, visit.scope(), found.document.id)
    return visit.said(f"/phat-hanh/{draft.id}", "outgoing.anew")


async def _anew_page(visit: Visit, found: Found, problems: list[tuple[str, str]]) -> web.StreamResponse:
    return await visit.page(
        "outgoing/anew.html",
        422 if problems else 200,
        title=seen.heading(visit, "outgoing.act.anew"),
        found=found,
        problems=problems,
        rows=[row for row in rows.rows(found, visit.deps.clock.now(), visit.lang) if row.word == "rejected"],
    )


async def adding(visit: Visit) -> web.StreamResponse:
    found = await seen.find(visit)
    if why := acts.no_further(found):
        return await refused(visit, found, "further", why)
    return await _further_page(visit, found, [])


async def added(visit: Visit) -> web.StreamResponse:
    found = await seen.find(visit)
    given = [" ".join(each.split()) for each in visit.form.text("to").splitlines() if each.strip()]
    role = (
        RecipientRole(visit.form.text("role")) if visit.form.text("role") in _ROLES else RecipientRole.TO_KNOW
    )

    async def again(problems: list[tuple[str, str]]) -> web.StreamResponse:
        return await _further_page(visit, found, problems)

    recipients, problems = await _named(visit, found, given, role)
    if problems:
        return await again(problems)
    return await taken(
        visit,
        found,
        lambda: further.send(
            visit.deps.out, visit.scope(), found.document.id, recipients, tuple(visit.form.all("confirm"))
        ),
        "outgoing.further",
        again,
    )


async def _named(
    visit: Visit, found: Found, given: Sequence[str], role: RecipientRole
) -> tuple[tuple[Recipient, ...], list[tuple[str, str]]]:
    """By code or name, each once; who has the document already needs it no more."""
    if not given:
        return (), [("to", visit.say("outgoing.name_one"))]
    have = {
        each.recipient.code.casefold()
        for each in found.deliveries
        if each.state not in ("rejected", "failed")
    }
    recipients, problems = list[Recipient](), list[tuple[str, str]]()
    for text in dict.fromkeys(given):
        answer = await visit.deps.out.directory.resolve(text, visit.deps.out.today())
        code = answer.entry.code if answer.entry is not None else text
        if code.casefold() in have:
            problems.append(("to", visit.say("outgoing.has_it", recipient=text)))
        elif answer.entry is None and answer.nearest:
            problems.append(("to", visit.say("outgoing.unknown_code", code=text, list=answer.nearest)))
        recipients.append(Recipient(code=code, role=role))
    return tuple(recipients), problems


async def _further_page(visit: Visit, found: Found, problems: list[tuple[str, str]]) -> web.StreamResponse:
    return await visit.page(
        "outgoing/further.html",
        422 if problems else 200,
        title=seen.heading(visit, "outgoing.act.further"),
        found=found,
        problems=problems,
        given=visit.form.flat(),
        roles=[(each.value, visit.say(f"role.{each}")) for each in _ROLES],
    )


async def cancelling(visit: Visit) -> web.StreamResponse:
    found = await seen.find(visit)
    if why := acts.no_cancel(found):
        return await refused(visit, found, "cancel", why)
    return await _cancel_page(visit, found, [])


async def cancelled(visit: Visit) -> web.StreamResponse:
    found = await seen.find(visit)

    async def again(problems: list[tuple[str, str]]) -> web.StreamResponse:
        return await _cancel_page(visit, found, problems)

    why = visit.form.text("reason")
    if len(why) < SHORTEST_REASON:
        return await again([("reason", visit.say("form.reason.short"))])
    return await taken(
        visit,
        found,
        lambda: manage.cancel(visit.deps.out, visit.scope(), found.document.id, why=why),
        "outgoing.cancelled",
        again,
    )


async def _cancel_page(visit: Visit, found: Found, problems: list[tuple[str, str]]) -> web.StreamResponse:
    return await visit.page(
        "outgoing/cancel.html",
        422 if problems else 200,
        title=seen.heading(visit, "outgoing.act.cancel"),
        found=found,
        problems=problems,
        given=visit.form.flat(),
    )


async def undone(visit: Visit) -> web.StreamResponse:
    """Back to a draft, at once from its button; what was written is a draft again."""
    found = await seen.find(visit)
    if found.document.state is not OutState.QUEUED:
        return await refused(visit, found, "undo", "outgoing.why.too_late")
    try:
        draft = await undo.run(visit.deps.out, visit.scope(), found.document.id)
    except Clash:
        return await refused(visit, found, "undo", "outgoing.why.too_late")
    return visit.said(f"/phat-hanh/{draft.id}", "outgoing.undone")
