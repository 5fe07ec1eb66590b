"""Lets the administrator of an agency choose its settings on a page. In: the administrator, an agency, a setting's key, a
typed value and day. Out: a further version, as `deciding.agency_profile` makes it."""

from __future__ import annotations

from datetime import date

from gateway.deciding import agency_profile
from gateway.domain.account import AgencyScope
from gateway.domain.agency_profile import ProfileVersion
from gateway.office.accounts import acting
from gateway.office.accounts.acting import Administrator
from gateway.office.services import AccountServices
from gateway.office.store.store import SqlOfficeStore


async def choose(
    store: SqlOfficeStore,
    services: AccountServices,
    by: Administrator,
    by_name: str,
    agency_id: str,
    key: str,
    text: str,
    day: date | None = None,
) -> ProfileVersion:
    """Choose as `deciding.agency_profile.choose`; raise Denied for a person who does not administer the agency."""
    async with services.accounts.read() as view:
        await acting.over_agency(view, by, agency_id, services.clock.now())
    scope = AgencyScope(agency_id=agency_id, principal_id=by.principal_id)
    return await agency_profile.choose(store, services.clock, scope, by_name, key, text, day)
