"""The profile of the caller's agency: its settings that differ from those of its node. In: a call; a value and a day. Out:
every setting with the value in force, the node's value, since when and by whom."""

from __future__ import annotations

from pydantic import Field

from gateway.api.call import Call
from gateway.api.routes import Routes
from gateway.api.shapes import Day, Moment, RequestModel, ResponseModel, Text
from gateway.api.words import Lang, say
from gateway.deciding import agency_profile
from gateway.deciding.agency_profile import ProfileDefaults, SettingState
from gateway.domain.account import ApiScope
from gateway.words.legal import bases_of_rules


class ProfileSettingOut(ResponseModel):
    """One setting. `value` is in force; `default` is what the node does where the agency chose nothing."""

    setting: str
    name: str = Field(description="What it is about, in the reader's language")
    value: str
    default: str
    chosen: bool = Field(description="Whether the agency chose `value`; else it is the node's")
    since: Moment | None = Field(description="When the agency's value came into force")
    set_by: str | None
    planned: str | None = Field(description="Value that comes into force later; empty for the node's again")
    planned_from: Moment | None
    options: list[str] = Field(
        description="Values that it takes; empty for a number, a text, a picture or a table"
    )
    columns: list[str] = Field(description="Columns of a table; empty for another setting")
    basis: str | None = Field(description="Articles that it rests on, as people cite them")


class AgencyProfileOut(ResponseModel):
    """Every setting of the agency's profile."""

    data: list[ProfileSettingOut]


class ProfileChoice(RequestModel):
    """A value of one setting. An empty value is the node's again."""

    value: Text | None = Field(
        None,
        description="Several values have commas between them; a table has a vertical bar between cells, and a semicolon "
        "or a new line between rows; a picture is the fingerprint of one that the agency had before",
    )
    from_day: Day | None = Field(None, description="First day on which it holds; at once if absent")


ROUTES = Routes("profile", ApiScope.AGENCIES_READ)


@ROUTES(
    "GET /profile",
    "Settings by which the agency differs from its node",
    text="With the value of the node beside each, and choices that begin on a later day.",
)
async def read_profile(call: Call) -> AgencyProfileOut:
    return AgencyProfileOut(data=[_view(state, call.lang) for state in await _states(call)])


@ROUTES(
    "PUT /profile/{setting}",
    "Choose a setting of the agency, from a day on",
    text="Versions are kept: a later one replaces what was planned before, and each is an event `agency.setting`.",
    scopes=(ApiScope.AGENCIES_WRITE,),
    fails=(409,),
)
async def set_profile(call: Call, body: ProfileChoice) -> ProfileSettingOut:
    key, principal = call.path("setting"), call.caller.key.principal
    await agency_profile.choose(
        call.deps.out.store,
        call.deps.clock,
        call.scope(),
        principal.name,
        key,
        body.value or "",
        body.from_day,
    )
    return next(_view(state, call.lang) for state in await _states(call) if state.setting.key == key)


async def _states(call: Call) -> list[SettingState]:
    deps = call.deps
    defaults = ProfileDefaults(rules=deps.out.profile, settings=deps.options.profile_defaults)
    return [*await agency_profile.list_settings(deps.out.store, call.scope(), deps.clock.now(), defaults)]


def _view(state: SettingState, lang: Lang) -> ProfileSettingOut:
    setting, chosen, planned = state.setting, state.in_force, state.planned
    return ProfileSettingOut.from_object(
        state,
        setting=setting.key,
        name=say(f"profile.{setting.key}", lang),
        chosen=chosen is not None,
        since=chosen.from_when if chosen else None,
        set_by=(chosen.set_by_name or chosen.set_by) if chosen else None,
        planned=planned.value if planned else None,
        planned_from=planned.from_when if planned else None,
        options=list(setting.options),
        columns=[column.name for column in setting.columns],
        basis=bases_of_rules((setting.rule,), lang) if setting.rule else None,
    )
