"""What an API key called: newest first, by outcome and by route; how many today, how many failed just now. In: an
administrator. Out: one page for each key, ended ones too. What stood in a call is not known here."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from aiohttp import web

from gateway.domain.account import ApiKey
from gateway.domain.api_call import MOST_OF_A_KEY, ApiCall, CallCount
from gateway.domain.wall_clock import local
from gateway.errors import NotFound
from gateway.office.accounts import program_keys
from gateway.office.web import dates
from gateway.office.web.frame import ADMINISTERS
from gateway.office.web.pages.administration import keys, place
from gateway.office.web.routes import Who, get
from gateway.office.web.visit import Visit, merged, where

PATH = f"{keys.HERE}/{{id}}/nhat-ky"
_ROWS = 50
_HOUR = timedelta(hours=1)
_ERRORS = "loi"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One call, and the command that makes it anew; whoever copies it fills in the key and what stood in the address."""

    call: ApiCall
    at: str
    curl: str


async def shown(visit: Visit) -> web.StreamResponse:
    key = await _key(visit)
    errors, route = visit.ask("ket-qua") == _ERRORS, visit.ask("dia-chi")
    calls = visit.deps.calls
    found = await calls.listed(key.id, _ROWS + 1, errors=errors, route=route, before=visit.ask("truoc"))
    shown = found[:_ROWS]
    path = f"{keys.HERE}/{key.id}/nhat-ky"
    kept = merged(dict(visit.request.query), truoc=None)
    older = where(path, **{**kept, "truoc": shown[-1].id}) if len(found) > _ROWS else ""
    hour = await calls.counts([key.id], visit.person.at - _HOUR)
    today = await calls.counts([key.id], midnight(visit.person.at))
    return await visit.page(
        "admin/key_calls.html",
        title=visit.say("calls.title", name=key.principal.name),
        key=key,
        path=path,
        rows=[Row(call=each, at=_seconds(each.at), curl=_curl(visit, each)) for each in shown],
        older=older,
        newest=where(path, **{each: kept[each] for each in ("ket-qua", "dia-chi") if each in kept})
        if visit.ask("truoc")
        else "",
        results=[("", visit.say("calls.every")), (_ERRORS, visit.say("calls.errors"))],
        routes=[("", visit.say("calls.every")), *((each, each) for each in await calls.routes(key.id))],
        asked={"errors": _ERRORS if errors else "", "route": route},
        today=today.get(key.id, CallCount()),
        hour=hour.get(key.id, CallCount()),
        days=visit.deps.options.calls_days,
        most=MOST_OF_A_KEY,
    )


def midnight(now: datetime) -> datetime:
    """When today began here."""
    return dates.moment(local(now).date(), time())


async def _key(visit: Visit) -> ApiKey:
    """Of an agency that is administered; NotFound for another's, and for one that serves several."""
    id = visit.path("id")
    owner = next((each.agency_ids for each in await visit.deps.keys.list_keys() if each.id == id), ())
    places = await place.open_to(visit, together=False, node=False)
    here = next((each for each in places if each.agency_id and (each.agency_id,) == owner), None)
    if here is None:
        raise NotFound("there is no such API key")
    by, deps = place.by(visit), visit.deps
    return await program_keys.one(deps.accounts, deps.keys, by, keys.agency_id(here), id)


def _seconds(at: datetime) -> str:
    """Beside a program's own log it is the second that counts."""
    return local(at).strftime("%d/%m/%Y %H:%M:%S")


def _curl(visit: Visit, call: ApiCall) -> str:
    node = visit.deps.options.address or f"{visit.request.scheme}://{visit.request.host}"
    address, key = shlex.quote(node.rstrip("/") + call.route), shlex.quote("Authorization: Bearer gwk_…")
    return f"curl -X {call.method} {address} -H {key}"


ROUTES = (get(PATH, "api_key_calls", shown, who=Who.READY, needs=ADMINISTERS, key="administration"),)
