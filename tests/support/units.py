"""Units of an agency for tests, each with an officer, as rows of the exchange's own store."""

from __future__ import annotations

from gateway.domain.account import AgencyScope
from gateway.domain.handling import Unit
from gateway.domain.person import Credentials, Person
from gateway.store.people import SqlPeople
from gateway.store.store import SqlStore
from gateway.store.tables_office import PostRow
from tests.support.clock import ManualClock


async def add_units(store: SqlStore, clock: ManualClock, agency_id: str, *names: str) -> None:
    """Add these units to the agency, and to each of them an officer who belongs to it."""
    now = clock.now()
    async with store.changing(AgencyScope(agency_id=agency_id, principal_id="operator")) as work:
        for position, name in enumerate(names):
            officer = Person(
                id=clock.new_id("prn_"),
                name=f"Cán bộ {name}",
                roles=frozenset(),
                added_by="operator",
                added_at=now,
                roles_by="operator",
                roles_at=now,
            )
            await work.units.add(Unit(id=clock.new_id("unt_"), name=name, position=position))
            await SqlPeople(work.arguments[0]).add(officer, Credentials())
            work.arguments[0].insert(
                PostRow(
                    person_id=officer.id,
                    agency_id=agency_id,
                    role="officer",
                    unit=name,
                    given_by="operator",
                    given_at=now,
                )
            )
