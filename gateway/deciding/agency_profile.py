"""Chooses a setting of an agency's profile. In: an agency, a setting's key, a typed value and day, and who chooses, whose
right the caller has checked. Out: the settings with the values in force; a further version, with an event in the agency's
log. Versions are never changed: a later one replaces what was planned before. A picture is kept with its version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from gateway.domain.account import AgencyScope
from gateway.domain.agency_profile import (
    AMOUNT,
    EMBLEM,
    HOSTED,
    OF_RULES,
    ON,
    RIGHTS_CONFIRMED,
    SETTINGS,
    SHIPPED,
    ProfileSetting,
    ProfileVersion,
    find_in_force,
    fingerprint,
)
from gateway.domain.event import EventKind
from gateway.domain.wall_clock import local, midnight
from gateway.errors import Clash, NotFound
from gateway.policy.profile import Profile
from gateway.ports.services import Clock
from gateway.store.store import SqlStore


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingState:
    """One setting at a moment. `in_force` is None while the default holds; `planned` begins later; `history` has every
    version, the newest first."""

    setting: ProfileSetting
    default: str
    in_force: ProfileVersion | None
    planned: ProfileVersion | None
    history: Sequence[ProfileVersion]

    @property
    def value(self) -> str:
        return self.in_force.value if self.in_force is not None else self.default


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileDefaults:
    """Values of this node that hold where an agency chose nothing: its rules, and the settings that a default names."""

    rules: Profile
    settings: Mapping[str, str]

    async def of_setting(self, store: SqlStore, setting: ProfileSetting, agency_id: str) -> str:
        if setting.default == HOSTED:
            return await store.accounts.numbering_at_hosting(agency_id)
        if setting.default == SHIPPED:
            return setting.choices[0] if setting.choices else setting.default_table
        if setting.default.startswith(AMOUNT):
            return setting.default.removeprefix(AMOUNT)
        if setting.default.startswith(OF_RULES):
            return str(getattr(self.rules, setting.default.removeprefix(OF_RULES)))
        return self.settings.get(setting.default, "")


async def list_settings(
    store: SqlStore, scope: AgencyScope, now: datetime, defaults: ProfileDefaults
) -> Sequence[SettingState]:
    """List every setting of the agency, in the order of the table."""
    async with store.read(scope) as work:
        versions = await work.profile.versions()
    return [
        _state_of(setting, versions, now, await defaults.of_setting(store, setting, scope.agency_id))
        for setting in SETTINGS.values()
    ]


def _state_of(
    setting: ProfileSetting, versions: Sequence[ProfileVersion], now: datetime, default: str
) -> SettingState:
    history = [version for version in versions if version.key == setting.key]
    in_force = find_in_force(history, setting.key, now)
    newest = history[0] if history else None
    return SettingState(
        setting=setting,
        default=default,
        in_force=in_force if in_force is not None and in_force.value else None,
        planned=newest if newest is not None and newest.from_when > now else None,
        history=history,
    )


def find_setting(key: str) -> ProfileSetting:
    setting = SETTINGS.get(key)
    if setting is None:
        raise NotFound(f"there is no setting {key[:40]}")
    return setting


async def choose(
    store: SqlStore,
    clock: Clock,
    scope: AgencyScope,
    by_name: str,
    key: str,
    text: str,
    day: date | None = None,
    picture: bytes = b"",
) -> ProfileVersion:
    """Choose a value from that day on, at once without a day; nothing typed is the default again. A `picture` that
    `deciding.emblem` checked is the value itself. Raise Clash for a value that the setting does not take or a day that is
    over."""
    value, now = find_setting(key).read(fingerprint(picture) if picture else text), clock.now()
    if value is None:
        raise Clash(f"{key} does not take {text[:40]!r}", code="GW-SETTING")
    if day is not None and day < local(now).date():
        raise Clash(f"{key} cannot change on a day that is over", code="GW-SETTING-DAY")
    version = ProfileVersion(
        id=clock.new_id("prf_"),
        key=key,
        value=value,
        set_by=scope.principal_id,
        set_at=now,
        from_when=max(now, midnight(day)) if day is not None else now,
        set_by_name=by_name,
    )
    async with store.changing(scope) as work:
        await work.agency()
        old_value = await work.profile.value(key, now)
        if key == RIGHTS_CONFIRMED and old_value == ON and value != ON:
            raise Clash(
                "a second administrator confirms that rights may change without one again",
                code="GW-RIGHTS-OFF",
            )
        if picture:
            await work.profile.keep_picture(picture, scope.principal_id, now)
        elif key == EMBLEM and value and await work.profile.picture(value) is None:
            raise Clash(f"the agency never had an emblem {value}", code="GW-SETTING")
        await work.profile.add(version)
        details = {
            "setting": key,
            "value": value,
            "before": old_value or "",
            "from": version.from_when.isoformat(),
        }
        await work.events.append(EventKind.PROFILE_SET, scope.agency_id, now, details)
    return version
