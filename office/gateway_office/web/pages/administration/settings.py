"""The settings of one agency: the value in force, the node's default, who set it, when, and from when on; and the form for
another value. In: the agency, for people who administer several; a value and a day as typed, or the picture of an emblem.
Out: the table with its history, or a further version; the picture, for pages and prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from aiohttp import web

from gateway.bootstrap import guards
from gateway.deciding.agency_profile import ProfileDefaults, SettingState, find_setting, list_settings
from gateway.domain.account import AgencyScope
from gateway.domain.agency_profile import (
    EMBLEM,
    EMBLEM_BYTES,
    OUT_BOOKS,
    SETTINGS,
    ProfileSetting,
    ValueForm,
    split_table,
)
from gateway.domain.person import Proposal
from gateway.errors import Clash, NotFound
from gateway.words.legal import bases_of_rules
from gateway_office.accounts import agency_profile
from gateway_office.web import answers, dates, display_names, forms
from gateway_office.web.forms import Form, Problems
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.pages.administration import accounts
from gateway_office.web.pages.administration.accounts import Place, both, get, post
from gateway_office.web.routes import FormBody

PATH = f"{accounts.HOME}/co-quan"
_EMPTY_ROWS, _MOST_SHOWN = 3, 5
# More than an emblem may have, so that a photo too is refused on the page of the form.
_MOST_READ = 32 * 1024 * 1024


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
        names=await display_names.names_of(request, people, "incoming.by"),
        value_words=lambda key, value: value_words(request, key, value),
    )


async def states_of(request: PageRequest, agency_id: str) -> Sequence[SettingState]:
    """List the settings of an agency with what holds where it chose nothing."""
    defaults = ProfileDefaults(
        rules=request.deps.out.profile, settings=guards.profile_defaults(request.deps.settings)
    )
    scope = AgencyScope(agency_id=agency_id, principal_id=request.person.person.id)
    return await list_settings(request.deps.store, scope, request.deps.clock.now(), defaults)


async def choose_emblem(request: PageRequest) -> web.StreamResponse:
    """Choose as `choose` does, by a form that brings a picture."""
    fields, content = await forms.read_file(
        request.http,
        request.token,
        _MOST_READ,
        "the picture of an emblem is small",
        memory_limit=EMBLEM_BYTES + 1,
    )
    form = Form({name: (text,) for name, text in fields.items()})
    return await choose(replace(request, form=form), content)


async def choose(request: PageRequest, content: bytes = b"") -> web.StreamResponse:
    place, key = await accounts.chosen_agency(request), request.path("setting")
    setting = find_setting(key)
    if request.is_act:
        problems, waits = await _choose(request, place, key, content)
        if not problems:
            message_key = "admin.rights_asked" if waits else "admin.setting"
            return request.confirm(PATH, message_key, **{"co-quan": place.key})
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
        has_file=key == EMBLEM,
        setting=setting,
        default=default,
        chosen=chosen,
        planned=state.planned,
        options=choices,
        rows=_table_rows(request, setting, chosen, request.form.all("cell") if problems else ()),
    )


def _table_rows(
    request: PageRequest, setting: ProfileSetting, chosen: str, typed_cells: Sequence[str]
) -> Sequence[Sequence[str]]:
    """Return the rows of a table as the form shows them: those typed, else those in force, and empty ones to fill. The
    ready-made books get their names in the reader's language."""
    width = len(setting.columns)
    if not width:
        return ()
    if typed_cells:
        return [typed_cells[n : n + width] for n in range(0, len(typed_cells), width)]
    rows = [
        [
            dates.day_text(date.fromisoformat(cell)) if column.is_day and cell else cell
            for column, cell in zip(setting.columns, cells, strict=True)
        ]
        for cells in split_table(chosen or setting.ready_made)
    ]
    if not chosen and setting.key == OUT_BOOKS:
        rows = [[row[0], request.say_or(f"books.series.{row[0]}", ""), *row[2:]] for row in rows]
    return [*rows, *([[""] * width] * _EMPTY_ROWS)]


def _typed_value(setting: ProfileSetting, form: Form) -> str:
    """Return what was typed as one text; rows of a table whose first cell is empty are left out."""
    width, cells = len(setting.columns), form.all("cell")
    if setting.form is not ValueForm.TABLE:
        return ",".join(form.all("value"))
    rows = [cells[n : n + width] for n in range(0, len(cells), width)]
    # Separators of cells and rows cannot be part of a cell.
    return "; ".join(
        " | ".join(cell.replace("|", " ").replace(";", ",") for cell in row) for row in rows if row[0].strip()
    )


async def _choose(request: PageRequest, place: Place, key: str, content: bytes) -> tuple[Problems, bool]:
    """Choose as the form says; return what is wrong with it, and whether a second person must confirm it."""
    text = request.form.text("day")
    day = dates.typed_day(text, request.today) if text else None
    if text and day is None:
        return [("day", request.say("listing.day.unreadable"))], False
    deps, by, name = request.deps, accounts.administrator(request), request.person.person.name
    typed = _typed_value(find_setting(key), request.form)
    if key == EMBLEM and not content and "remove" not in request.form:
        return [("file", request.say("profile.emblem.missing"))], False
    try:
        picture = b""
        if content:
            # Loaded at first use alone.
            from gateway.deciding import emblem

            picture = await emblem.check(deps.blobs, deps.pool, content, deps.looking.pages)
        chosen = await agency_profile.choose(
            deps.store, deps.accounts, by, name, place.id, key, typed, day, picture
        )
    except Clash as error:
        field = "file" if key == EMBLEM else "value"
        return [("day" if error.code == "GW-SETTING-DAY" else field, request.why(error))], False
    return [], isinstance(chosen, Proposal)


async def show_emblem(request: PageRequest) -> web.StreamResponse:
    """Give an emblem to those at work for the agency, whose printed papers have it, and to its administrators."""
    place = await accounts.chosen_agency(request)
    scope = AgencyScope(agency_id=place.id, principal_id=request.person.person.id)
    async with request.deps.store.read(scope) as work:
        picture = await work.profile.picture(request.path("id"))
    if picture is None:
        raise NotFound("the agency never had this emblem")
    headers = {
        "Content-Type": "image/png",
        "Content-Security-Policy": answers.DOWNLOAD_POLICY,
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
        # The address has the fingerprint of the bytes.
        "Cache-Control": "private, max-age=31536000, immutable",
    }
    return web.Response(body=picture, headers=headers)


def value_words(request: PageRequest, key: str, value: str) -> str:
    """Write a value: choices by their words, a number with its unit, a text unchanged."""
    setting = SETTINGS[key]
    if setting.form is ValueForm.CHOICE:
        return request.say(f"profile.{key}.{value}")
    if setting.form is ValueForm.NUMBER:
        return request.say(f"profile.{key}.value", value=value)
    if setting.form is ValueForm.SEVERAL:
        value = ", ".join(
            request.say_or(f"{setting.words}.{part}", part)
            for part in map(str.strip, value.split(","))
            if part
        )
    if setting.form is ValueForm.TABLE:
        rows = split_table(value)
        value = "; ".join(" ".join(filter(None, row[:3])) for row in rows[:_MOST_SHOWN])
        value += "; …" if len(rows) > _MOST_SHOWN else ""
    return value or request.say("admin.setting.none")


ROUTES = (
    get(PATH, "agency_settings", show_settings),
    post(f"{PATH}/{{setting:{EMBLEM}}}", "emblem_chosen", choose_emblem, body=FormBody.PARTS),
    get("/bieu-tuong/{id}.png", "emblem", show_emblem, needs=(), key=""),
    *both(f"{PATH}/{{setting}}", "agency_setting", "agency_setting_chosen", choose),
)
