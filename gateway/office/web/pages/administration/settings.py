"""The settings of one agency: the value in force, the node's default, who set it, when, and from when on; and the form for
another value. In: the agency, for people who administer several; a value and a day as typed. Out: the table with its
history, or a further version."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from gateway.bootstrap import guards
from gateway.deciding.agency_profile import ProfileDefaults, SettingState, find_setting, list_settings
from gateway.domain.account import AgencyScope
from gateway.domain.agency_profile import SETTINGS, ValueForm
from gateway.errors import Clash
from gateway.office.accounts import agency_profile
from gateway.office.web import dates, page_requests
from gateway.office.web.forms import Problems
from gateway.office.web.page_requests import ADMINISTERS, PageRequest
from gateway.office.web.pages.administration import accounts
from gateway.office.web.pages.administration.accounts import Place
from gateway.office.web.routes import Access, both, get
from gateway.words.legal import bases_of_rules

PATH = f"{accounts.HOME}/co-quan"
_AT = {"access": Access.READY, "needs": ADMINISTERS, "key": "administration"}


async def show_settings(request: PageRequest) -> web.StreamResponse:
    places, place = await accounts.list_agencies(request), await accounts.chosen_agency(request)
    states = await states_of(request, place.id)
    people = {version.set_by for state in states for version in state.history}
    return await request.page(
        "admin/settings.html",
        title=request.say("admin.settings"),
        states=states,
        here=place,
        places=[(place.key, place.name) for place in places],
        bases={
            s.setting.key: bases_of_rules((s.setting.rule,), request.lang) for s in states if s.setting.rule
        },
        names=await page_requests.names_of(request, people, "incoming.by"),
        value_words=lambda key, value: value_words(request, key, value),
    )


async def states_of(request: PageRequest, agency_id: str) -> Sequence[SettingState]:
    """List the settings of an agency with what holds where it chose nothing."""
    defaults = ProfileDefaults(
        rules=request.deps.out.profile, settings=guards.profile_defaults(request.deps.settings)
    )
    scope = AgencyScope(agency_id=agency_id, principal_id=request.person.person.id)
    return await list_settings(request.deps.store, scope, request.deps.clock.now(), defaults)


async def choose(request: PageRequest) -> web.StreamResponse:
    place, key = await accounts.chosen_agency(request), request.path("setting")
    setting = find_setting(key)
    if request.is_act:
        problems = await _choose(request, place, key)
        if not problems:
            return request.confirm(PATH, "admin.setting", **{"co-quan": place.key})
    else:
        problems = []
    state = next(s for s in await states_of(request, place.id) if s.setting.key == key)
    default = value_words(request, key, state.default)
    choices = [(value, value_words(request, key, value)) for value in setting.options]
    chosen = state.in_force.value if state.in_force is not None else ""
    return await request.question(
        problems,
        f"profile.{key}",
        f"profile.{key}.means",
        "admin.setting.save",
        back=PATH,
        query={"co-quan": place.key},
        hidden={"place": place.key},
        part="admin/_questions.html",
        which="setting",
        setting=setting,
        default=default,
        chosen=chosen,
        options=choices,
    )


async def _choose(request: PageRequest, place: Place, key: str) -> Problems:
    """Choose as the form says; return what is wrong with it."""
    text = request.form.text("day")
    day = dates.typed_day(text, request.today) if text else None
    if text and day is None:
        return [("day", request.say("listing.day.unreadable"))]
    by, name = accounts.administrator(request), request.person.person.name
    typed = ",".join(request.form.all("value"))
    try:
        await agency_profile.choose(
            request.deps.store, request.deps.accounts, by, name, place.id, key, typed, day
        )
    except Clash as error:
        return [("day" if error.code == "GW-SETTING-DAY" else "value", request.why(error))]
    return []


def value_words(request: PageRequest, key: str, value: str) -> str:
    """Write a value: choices by their words, a number with its unit, a text unchanged."""
    setting = SETTINGS[key]
    if setting.form is ValueForm.CHOICE:
        return request.say(f"profile.{key}.{value}")
    if setting.form is ValueForm.NUMBER:
        return request.say(f"profile.{key}.value", value=value)
    if setting.form is ValueForm.SEVERAL:
        value = ", ".join(
            request.say_or(f"{setting.words}.{part}", part) for part in value.split(",") if part
        )
    return value or request.say("admin.setting.none")


ROUTES = (
    get(PATH, "agency_settings", show_settings, **_AT),
    *both(f"{PATH}/{{setting}}", "agency_setting", "agency_setting_chosen", choose, **_AT),
)
