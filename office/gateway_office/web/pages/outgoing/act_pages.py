"""The page of an act on an outgoing document, and the answer to an attempt. In: the document and the act. Out: the page
that describes effect and recipients; the page again, with the problems or the conflict for which the act was refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from gateway.errors import Clash, GatewayError, Refused
from gateway_office.web import answers
from gateway_office.web.forms import Problems
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.pages.outgoing import access
from gateway_office.web.pages.outgoing.access import OutgoingView

Retry = Callable[[Problems], Awaitable[web.StreamResponse]]
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
