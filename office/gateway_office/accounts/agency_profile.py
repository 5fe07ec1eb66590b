"""Lets the administrator of an agency choose its settings on a page. In: the administrator, an agency, a setting's key, a
typed value and day. Out: a further version, as `deciding.agency_profile` makes it, or a proposal to a second one."""

from __future__ import annotations

from datetime import date

from gateway.deciding import agency_profile
from gateway.deciding.agency_profile import find_setting
from gateway.domain.account import AgencyScope
from gateway.domain.agency_profile import OFF, RIGHTS_CONFIRMED, ProfileVersion
from gateway.domain.person import Proposal
from gateway_office.accounts import acting, pending_rights
from gateway_office.accounts.acting import Administrator
from gateway_office.services import AccountServices
from gateway_office.store.store import SqlOfficeStore


async def choose(
    store: SqlOfficeStore,
    services: AccountServices,
    by: Administrator,
    by_name: str,
    agency_id: str,
    key: str,
    text: str,
    day: date | None = None,
    picture: bytes = b"",
) -> ProfileVersion | Proposal:
    """Choose as `deciding.agency_profile.choose`; raise Denied for a person who does not administer the agency. Where
    rights change with a second person, that this ends is proposed to a second person too (R122)."""
    if key == RIGHTS_CONFIRMED and find_setting(key).read(text) in (OFF, ""):
        async with services.changing(by.principal_id) as (work, now):
            await acting.over_agency(work, by, agency_id, now)
            if await pending_rights.wait_for_second(work, by, agency_id, now):
                change = pending_rights.change_of_setting(agency_id)
                return await pending_rights.propose(work, by, change, now)
    async with services.accounts.read() as view:
        await acting.over_agency(view, by, agency_id, services.clock.now())
    scope = AgencyScope(agency_id=agency_id, principal_id=by.principal_id)
    return await agency_profile.choose(store, services.clock, scope, by_name, key, text, day, picture)
