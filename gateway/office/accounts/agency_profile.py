"""Settings of an agency, as its administrator chooses them. In: an agency, a setting's key, a typed value and day. Out: the
settings with the values in force and their history; a further version, with an event in the agency's log. Versions are
never changed: a later one replaces what was planned before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from gateway.domain.account import AgencyScope
from gateway.domain.agency_profile import SETTINGS, ProfileSetting, ProfileVersion, find_in_force
from gateway.domain.event import EventKind
from gateway.domain.wall_clock import local, midnight
from gateway.errors import Clash, NotFound
from gateway.office.accounts import acting
from gateway.office.accounts.acting import Administrator
from gateway.office.services import AccountServices
from gateway.office.store.store import SqlOfficeStore


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingState:
    """One setting at a moment. `in_force` is None while the default holds; `planned` begins later; `history` has every
    version, the newest first."""

    setting: ProfileSetting
    in_force: ProfileVersion | None
    planned: ProfileVersion | None
    history: Sequence[ProfileVersion]


async def list_settings(store: SqlOfficeStore, scope: AgencyScope, now: datetime) -> Sequence[SettingState]:
    """List every setting of the agency, in the order of the table."""
    async with store.read(scope) as work:
        versions = await work.profile.versions()
    return [_state_of(setting, versions, now) for setting in SETTINGS.values()]


def _state_of(setting: ProfileSetting, versions: Sequence[ProfileVersion], now: datetime) -> SettingState:
    history = [version for version in versions if version.key == setting.key]
    in_force = find_in_force(history, setting.key, now)
    newest = history[0] if history else None
    return SettingState(
        setting=setting,
        in_force=in_force if in_force is not None and in_force.value else None,
        planned=newest if newest is not None and newest.from_when > now else None,
        history=history,
    )


async def choose(
    store: SqlOfficeStore,
    services: AccountServices,
    by: Administrator,
    agency_id: str,
    key: str,
    text: str,
    day: date | None = None,
) -> ProfileVersion:
    """Choose a value from that day on, at once without a day; nothing typed is the default again. Raise Clash for a value
    that the setting does not take or a day that is over, Denied for a person who does not administer the agency."""
    setting, now = SETTINGS.get(key), services.clock.now()
    if setting is None:
        raise NotFound(f"there is no setting {key[:40]}")
    value = setting.read(text)
    if value is None:
        raise Clash(f"{key} does not take {text[:40]!r}", code="GW-SETTING")
    if day is not None and day < local(now).date():
        raise Clash(f"{key} cannot change on a day that is over", code="GW-SETTING-DAY")
    async with services.accounts.read() as view:
        await acting.over_agency(view, by, agency_id, now)
    version = ProfileVersion(
        id=services.clock.new_id("prf_"),
        key=key,
        value=value,
        set_by=by.principal_id,
        set_at=now,
        from_when=max(now, midnight(day)) if day is not None else now,
    )
    async with store.begin(AgencyScope(agency_id=agency_id, principal_id=by.principal_id)) as work:
        await work.agency()
        before = await work.profile.value(key, now)
        await work.profile.add(version)
        details = {
            "setting": key,
            "value": value,
            "before": before or "",
            "from": version.from_when.isoformat(),
        }
        await work.events.append(EventKind.PROFILE_SET, agency_id, now, details)
        await work.commit()
    return version
