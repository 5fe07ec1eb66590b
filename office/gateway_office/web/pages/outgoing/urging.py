"""Urging the recipients of an outgoing document to answer. In: the recipients chosen. Out: a page with the text made
ready, or the requests sent."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from gateway.words import labels
from gateway_office.letters import follow_up
from gateway_office.letters.follow_up import Urging
from gateway_office.web.dates import day_text, moment_text
from gateway_office.web.forms import SHORTEST_REASON, Problems
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.pages.outgoing import access
from gateway_office.web.pages.outgoing.access import OutgoingView
from gateway_office.web.pages.outgoing.act_pages import attempt, show_refusal

_MOST_LINES = 50


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
