"""The settings of one agency: the value in force, the node's default, who set it, when, and from when on; and the form for
another value. In: the agency, for people who administer several; a value and a day as typed. Out: the table with its
history, or a further version."""

from __future__ import annotations

from operator import attrgetter

from aiohttp import web

from gateway.domain.account import AgencyScope
from gateway.domain.agency_profile import HOSTED, SETTINGS, ProfileSetting
from gateway.errors import Clash, NotFound
from gateway.office.accounts import agency_profile
from gateway.office.web import dates, page_requests
from gateway.office.web.forms import Problems
from gateway.office.web.page_requests import ADMINISTERS, PageRequest
from gateway.office.web.pages.administration import accounts
from gateway.office.web.pages.administration.accounts import Place
from gateway.office.web.routes import Access, both, get

PATH = f"{accounts.HOME}/co-quan"
_AT = {"access": Access.READY, "needs": ADMINISTERS, "key": "administration"}


async def list_settings(request: PageRequest) -> web.StreamResponse:
    places, place = await accounts.list_agencies(request), await accounts.chosen_agency(request)
    scope = AgencyScope(agency_id=place.id, principal_id=request.person.person.id)
    states = await agency_profile.list_settings(request.deps.store, scope, request.deps.clock.now())
    people = {version.set_by for state in states for version in state.history}
    return await request.page(
        "admin/settings.html",
        title=request.say("admin.settings"),
        states=states,
        here=place,
        places=[(place.key, place.name) for place in places],
        defaults={state.setting.key: await _default(request, state.setting, place.id) for state in states},
        names=await page_requests.names_of(request, people, "incoming.by"),
        value_words=lambda key, value: _value_words(request, key, value),
    )


async def choose(request: PageRequest) -> web.StreamResponse:
    place, key = await accounts.chosen_agency(request), request.path("setting")
    setting = SETTINGS.get(key)
    if setting is None:
        raise NotFound(f"there is no setting {key[:40]}")
    if request.is_act:
        problems = await _choose(request, place, key)
        if not problems:
            return request.confirm(PATH, "admin.setting", **{"co-quan": place.key})
    else:
        problems = []
    default = _value_words(request, key, await _default(request, setting, place.id))
    choices = [(value, _value_words(request, key, value)) for value in setting.choices]
    return await request.question(
        problems,
        f"profile.{key}",
        f"profile.{key}.means",
        "admin.setting.save",
        back=PATH,
        query={"co-quan": place.key},
        hidden={"place": place.key},
        part="admin/_setting.html",
        setting=setting,
        default=default,
        options=[("", request.say("admin.setting.default", value=default)), *choices],
    )


async def _choose(request: PageRequest, place: Place, key: str) -> Problems:
    """Choose as the form says; return what is wrong with it."""
    text = request.form.text("day")
    day = dates.typed_day(text, request.today) if text else None
    if text and day is None:
        return [("day", request.say("listing.day.unreadable"))]
    by, typed = accounts.administrator(request), request.form.text("value")
    try:
        await agency_profile.choose(request.deps.store, request.deps.accounts, by, place.id, key, typed, day)
    except Clash as error:
        return [("day" if error.code == "GW-SETTING-DAY" else "value", request.why(error))]
    return []


async def _default(request: PageRequest, setting: ProfileSetting, agency_id: str) -> str:
    """Return the value that holds where the agency chose nothing."""
    if setting.default == HOSTED:
        return await request.deps.store.accounts.numbering_at_hosting(agency_id)
    if setting.default in setting.choices:
        return setting.default
    return str(attrgetter(setting.default)(request.deps.settings))


def _value_words(request: PageRequest, key: str, value: str) -> str:
    """Write a value: a choice by its words, a number with its unit."""
    if SETTINGS[key].choices:
        return request.say(f"profile.{key}.{value}")
    return request.say(f"profile.{key}.value", value=value)


ROUTES = (
    get(PATH, "agency_settings", list_settings, **_AT),
    *both(f"{PATH}/{{setting}}", "agency_setting", "agency_setting_chosen", choose, **_AT),
)
