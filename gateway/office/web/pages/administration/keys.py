"""API keys: those of an agency's programs. In: an administrator. Out: the list; a new key, or another one beside it for
changing over, its secret shown once on the answer itself; a revoked one."""

from __future__ import annotations

from datetime import time, timedelta

from aiohttp import web

from gateway.domain import networks
from gateway.domain.account import MOST_KEY_NETWORKS, ApiKey, ApiScope
from gateway.domain.networks import Network
from gateway.domain.wall_clock import local
from gateway.errors import Clash, NotFound
from gateway.office.accounts import program_keys
from gateway.office.accounts.program_keys import WantedKey
from gateway.office.web import dates
from gateway.office.web.failing import of_error
from gateway.office.web.frame import ADMINISTERS
from gateway.office.web.pages.administration import place
from gateway.office.web.pages.administration.place import HOME, Place
from gateway.office.web.routes import Who, get, post
from gateway.office.web.visit import Visit, where

HERE = f"{HOME}/khoa-api"
LIVES = (30, 90, 180, 365)
_FIELDS = {
    "GW-KEY-NAME": "name",
    "GW-KEY-SCOPES": "scopes",
    "GW-KEY-LIFE": "life",
    "GW-KEY-NETWORKS": "networks",
}
_LONGEST_SHOWN = 60


async def listed(visit: Visit) -> web.StreamResponse:
    here, now = await chosen(visit, visit.ask("co-quan")), visit.person.at
    found = await program_keys.listed(visit.deps.accounts, visit.deps.keys, place.by(visit), agency_id(here))
    return await visit.page(
        "admin/keys.html",
        title=visit.say("keys.title"),
        rows=[(each, program_keys.state(each, now)) for each in found],
        today=await visit.deps.calls.counts(
            [each.id for each in found], dates.moment(local(now).date(), time())
        ),
        here=here,
        places=[(each.key, each.name) for each in await _places(visit)],
    )


async def asked(visit: Visit) -> web.StreamResponse:
    return await _form(visit, await chosen(visit, visit.ask("co-quan")), {}, set(program_keys.DAILY), [])


async def made(visit: Visit) -> web.StreamResponse:
    form, here = visit.form, await chosen(visit, visit.form.text("place"))
    ticked = {each for each in ApiScope if each in form.all("scopes")}
    life = next((each for each in LIVES if str(each) == form.text("life")), LIVES[-1])
    given, wrong = _networks(visit, form.text("networks"))
    if wrong:
        return await _form(visit, here, form.flat(), ticked, wrong)
    wanted = WantedKey(
        name=form.text("name"), scopes=frozenset(ticked), life=timedelta(days=life), networks=given
    )
    try:
        return await _make(visit, here, wanted)
    except Clash as why:
        problem = (_FIELDS.get(why.code, "name"), of_error(why, visit.lang).title)
        return await _form(visit, here, form.flat(), ticked, [problem])


async def rotate_asked(visit: Visit) -> web.StreamResponse:
    return await _act(visit, "rotate")


async def rotated(visit: Visit) -> web.StreamResponse:
    """A second key with the same name, scopes, life and networks; the first goes on until somebody revokes it, or its time
    is up."""
    here, key = await _one(visit)
    span = (key.expires_at - key.created_at) if key.expires_at is not None else timedelta(days=LIVES[-1])
    wanted = WantedKey(
        name=key.principal.name,
        scopes=key.scopes,
        life=min(span, timedelta(days=LIVES[-1])),
        networks=key.networks,
    )
    return await _make(visit, here, wanted)


async def revoke_asked(visit: Visit) -> web.StreamResponse:
    return await _act(visit, "revoke")


async def revoked(visit: Visit) -> web.StreamResponse:
    here, key = await _one(visit)
    deps = visit.deps
    await program_keys.revoke(deps.accounts, deps.keys, place.by(visit), agency_id(here), key.id)
    return visit.said(HERE, "keys.revoked", **{"co-quan": here.key})


async def chosen(visit: Visit, given: str) -> Place:
    return place.chosen(visit, await _places(visit), given)


def agency_id(here: Place) -> str:
    if not here.agency_id:
        raise NotFound("a key is an agency's")
    return here.agency_id


async def _places(visit: Visit) -> list[Place]:
    return list(await place.open_to(visit, together=False, node=False))


def _networks(visit: Visit, text: str) -> tuple[tuple[Network, ...], list[tuple[str, str]]]:
    """One a line, and what is wrong with the lines that are none."""
    found, wrong = [], []
    for at, line in enumerate(text.splitlines(), 1):
        if not (given := line.strip()):
            continue
        try:
            found.append(networks.network(given))
        except ValueError:
            told = visit.say("keys.networks.wrong", line=at, text=given[:_LONGEST_SHOWN])
            wrong.append(("networks", told))
    return tuple(found), wrong


async def _make(visit: Visit, here: Place, wanted: WantedKey) -> web.Response:
    secret, key = await program_keys.make(
        visit.deps.accounts,
        visit.deps.keys,
        place.by(visit),
        agency_id(here),
        wanted,
        everywhere=place.is_everywhere(visit),
    )
    return await visit.page(
        "admin/key_made.html", title=visit.say("keys.made"), secret=secret, key=key, here=here
    )


async def _form(
    visit: Visit,
    here: Place,
    values: dict[str, str],
    ticked: set[ApiScope],
    problems: list[tuple[str, str]],
) -> web.Response:
    open_to = (
        ApiScope
        if place.is_everywhere(visit)
        else [each for each in ApiScope if each in program_keys.OF_AGENCY]
    )
    return await visit.page(
        "admin/key_new.html",
        422 if problems else 200,
        title=visit.say("keys.new"),
        here=here,
        scopes=list(open_to),
        ticked=ticked,
        most_networks=MOST_KEY_NETWORKS,
        lives=[(str(each), visit.say("keys.days", days=each)) for each in LIVES],
        values=values,
        problems=problems,
    )


async def _act(visit: Visit, act: str) -> web.Response:
    here, key = await _one(visit)
    return await visit.page(
        "admin/key_act.html",
        title=visit.say(f"keys.{act}.title"),
        act=act,
        key=key,
        here=here,
        back=where(HERE, **{"co-quan": here.key}),
    )


async def _one(visit: Visit) -> tuple[Place, ApiKey]:
    """A key that still opens something, of an agency that is administered."""
    deps, id = visit.deps, visit.path("id")
    owner = next((each.agency_ids for each in await deps.keys.list_keys() if each.id == id), ())
    here = next((each for each in await _places(visit) if (each.agency_id,) == owner), None)
    if here is None:
        raise NotFound("there is no such API key")
    key = await program_keys.one(deps.accounts, deps.keys, place.by(visit), agency_id(here), id)
    if program_keys.state(key, visit.person.at) != "active":
        raise Clash("this key opens nothing any more", code="GW-KEY-OVER")
    return here, key


_AT = {"who": Who.READY, "needs": ADMINISTERS, "key": "administration"}
ROUTES = (
    get(HERE, "api_keys", listed, **_AT),
    get(f"{HERE}/moi", "api_key_new", asked, **_AT),
    post(f"{HERE}/moi", "api_key_made", made, **_AT),
    get(f"{HERE}/{{id}}/thay-khoa", "api_key_rotate", rotate_asked, **_AT),
    post(f"{HERE}/{{id}}/thay-khoa", "api_key_rotated", rotated, **_AT),
    get(f"{HERE}/{{id}}/thu-hoi", "api_key_revoke", revoke_asked, **_AT),
    post(f"{HERE}/{{id}}/thu-hoi", "api_key_revoked", revoked, **_AT),
)
