"""Calls made with one API key, ended keys included. In: the key's id. Out: one page of calls, newest first, by outcome and
by route, with how many today and how many failed just now. The content of calls is not known here."""

from __future__ import annotations

import shlex
from datetime import timedelta

from aiohttp import web

from gateway.domain.account import MOST_CALLS_OF_A_KEY, ApiCall, CallCount
from gateway.domain.wall_clock import local
from gateway_office.web import dates
from gateway_office.web.addresses import merged, url_for
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.pages.administration import accounts
from gateway_office.web.pages.administration.accounts import get
from gateway_office.web.pages.administration.api_keys import KEYS, load_key

CALLS = f"{KEYS}/{{id}}/nhat-ky"
_CALLS_PER_PAGE = 50
_HOUR = timedelta(hours=1)
_FAILED_CALLS = "loi"


async def show_calls(request: PageRequest) -> web.StreamResponse:
    _, key = await load_key(request)
    errors, route = request.ask("ket-qua") == _FAILED_CALLS, request.ask("dia-chi")
    calls = request.deps.store.calls
    listed = await calls.list_calls(
        key.id, _CALLS_PER_PAGE + 1, errors=errors, route=route, before_id=request.ask("truoc")
    )
    page = listed[:_CALLS_PER_PAGE]
    path = f"{KEYS}/{key.id}/nhat-ky"
    query = merged(dict(request.http.query), truoc=None)
    older = url_for(path, **{**query, "truoc": page[-1].id}) if len(listed) > _CALLS_PER_PAGE else ""
    hour = await calls.counts([key.id], request.person.at - _HOUR)
    today = await calls.counts([key.id], dates.midnight(request.today))
    return await request.page(
        "admin/key_calls.html",
        title=request.say("calls.title", name=key.principal.name),
        key=key,
        state=key.state(request.person.at),
        path=path,
        # Lines are compared with a program's own log, to the second.
        rows=[(call, f"{local(call.at):%d/%m/%Y %H:%M:%S}", _curl(request, call)) for call in page],
        older=older,
        newest=url_for(path, **{name: query[name] for name in ("ket-qua", "dia-chi") if name in query})
        if request.ask("truoc")
        else "",
        results=[("", request.say("calls.every")), (_FAILED_CALLS, request.say("calls.errors"))],
        routes=[("", request.say("calls.every")), *((r, r) for r in await calls.routes(key.id))],
        asked={"errors": _FAILED_CALLS if errors else "", "route": route},
        today=today.get(key.id, CallCount()),
        hour=hour.get(key.id, CallCount()),
        days=request.deps.settings.api.calls_days,
        most=MOST_CALLS_OF_A_KEY,
    )


def _curl(request: PageRequest, call: ApiCall) -> str:
    """Write the command that repeats it; the reader fills in the key and the parameters of the address."""
    node = accounts.address_of_node(request).rstrip("/")
    address, key = shlex.quote(node + call.route), shlex.quote("Authorization: Bearer gwk_…")
    return f"curl -X {call.method} {address} -H {key}"


ROUTES = (get(CALLS, "api_key_calls", show_calls),)
