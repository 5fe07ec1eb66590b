"""Cancelling an outgoing document, and taking it back to a draft while it still waits. In: its form. Out: the act, or its
problems."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from gateway.domain.document import OutState
from gateway.errors import Clash
from gateway.outgoing import manage
from gateway_office.letters import follow_up
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.pages.outgoing import access
from gateway_office.web.pages.outgoing.act_pages import ask, attempt, show_refusal


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
