"""Sending an outgoing document once more: to recipients it did not reach, to further ones, or as a corrected draft. In:
the form of each act. Out: the act, or its problems."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from aiohttp import web

from gateway.domain.document import Recipient, RecipientRole
from gateway.domain.outgoing_acts import Act
from gateway.domain.states import State
from gateway.outgoing import manage
from gateway.outgoing.more_recipients import send_to_more
from gateway_office.letters import follow_up
from gateway_office.web.forms import Problems
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.pages.outgoing import access
from gateway_office.web.pages.outgoing.access import OutgoingView
from gateway_office.web.pages.outgoing.act_pages import ask, attempt, show_refusal

_ROLES = tuple(RecipientRole)


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
    if (objection := access.refusal(outgoing, Act.ADD_RECIPIENTS)) and not request.is_act:
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
