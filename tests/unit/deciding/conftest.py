"""Provides a desk on a migrated database of each kind, with a clock that the tests own, and a second look at the
registry."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import pytest
from sqlalchemy import select, text

from gateway.deciding import DecisionServices
from gateway.domain.event import EventKind
from gateway.domain.person import Proposal, ProposalContent
from gateway.domain.proof import Binding
from gateway.errors import Denied, GatewayError
from gateway.pool import ThreadPool
from gateway.registry.directory import SqlDirectory
from gateway.registry.tables import AGENCY
from gateway.registry_authoring.changes import SqlDirectoryChanges
from gateway.registry_authoring.decisions import SqlDecisions
from gateway.store.store import SqlStore
from gateway.trust.folder import AnchorFile
from gateway.trust.person_secrets import PersonSecrets
from tests.support import people
from tests.support.clock import ManualClock
from tests.support.fixtures import BOTH_KINDS
from tests.support.fixtures import cheap_passwords as cheap_passwords
from tests.support.people import Someone
from tests.support.stores import opened

# Where two transactions meet, or a table is changed past the application; the rest is the same code on both.
ON_BOTH = {
    "test_a_certificate_speaks_for_a_code_once_a_second_person_approved",
    "test_many_certificates_come_into_force_together_or_not_at_all",
    "test_two_who_approve_at_once_bind_once",
    "test_threat_114_a_row_changed_past_the_application_is_named_and_not_used",
    "test_a_person_enrols_with_a_code_that_is_good_once",
    "test_two_become_one_on_a_future_day_and_each_day_has_its_answer",
    "test_the_former_state_of_each_moment_stays_readable",
    "test_undoing_restores_every_row_and_leaves_the_history",
    "test_an_import_is_undone_as_a_whole_and_what_was_believed_stays",
    "test_a_proposal_holds_only_while_it_would_make_the_listed_changes",
    "test_a_signed_list_binds_where_two_people_delegated_it",
    "test_contradictions_are_shown_and_not_resolved",
    "test_what_a_later_list_no_longer_changes_is_gone_and_a_missing_code_stays",
    "test_a_take_over_that_a_list_alone_brought_counts_once_two_people_approve_it",
    "test_recalling_ends_what_waits_and_one_act_ends_what_is_in_force",
    "test_threat_151_a_list_over_a_limit_is_held_entirely",
    "test_threat_152_rows_put_in_past_the_application_are_not_proved_by_a_list",
    "test_a_seal_counts_once_a_second_person_approved",
    "test_a_withdrawn_seal_counts_until_that_moment_and_one_person_is_enough",
    "test_threat_153_a_row_changed_past_the_application_does_not_count",
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "url" in metafunc.fixturenames:
        kinds = BOTH_KINDS if metafunc.function.__name__ in ON_BOTH else ["sqlite"]
        metafunc.parametrize("url", kinds, indirect=True)


@pytest.fixture
async def store(url: str, clock: ManualClock) -> AsyncIterator[SqlStore]:
    """Open a store without hosted agencies."""
    async with opened(url, clock) as node_store:
        yield node_store


@pytest.fixture
def services(store: SqlStore, clock: ManualClock, pool: ThreadPool, tmp_path: Path) -> DecisionServices:
    return DecisionServices(
        decisions=SqlDecisions(store, clock, pool),
        secrets=PersonSecrets(),
        anchors=AnchorFile(tmp_path / "ca.pem"),
        clock=clock,
        pool=pool,
        overlap=timedelta(days=30),
    )


@pytest.fixture
def directory(store: SqlStore, clock: ManualClock) -> SqlDirectory:
    return SqlDirectory(store.reader, store.memory, clock)


@pytest.fixture
def changes(store: SqlStore, clock: ManualClock) -> SqlDirectoryChanges:
    return SqlDirectoryChanges(store.writer, store.reader, clock)


class Edit(Protocol):
    async def __call__(self, statement: str, **values: object) -> None: ...


@pytest.fixture
def edit(store: SqlStore) -> Edit:
    """Return a function that changes rows in the database, past the application."""

    async def execute(statement: str, **values: object) -> None:
        async with store.writer.begin() as connection:
            await connection.execute(text(statement), values)

    return execute


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two persons who decide at a node in set-up, and what they decide about. An proposes, and Binh approves."""

    an: Someone
    binh: Someone
    services: DecisionServices
    directory: SqlDirectory
    changes: SqlDirectoryChanges
    store: SqlStore
    clock: ManualClock
    edit: Edit

    async def propose(self, *bindings: Binding, content: ProposalContent | None = None) -> Proposal:
        return await people.proposed(self.an, *bindings, content=content)

    async def approve(self, proposal: Proposal) -> Proposal:
        return await people.approved(self.binh, proposal)

    async def decide(self, *bindings: Binding, content: ProposalContent | None = None) -> Proposal:
        """Propose as An and approve as Binh."""
        return await self.approve(await self.propose(*bindings, content=content))

    async def kinds(self, subject: str) -> list[EventKind]:
        return await kinds(self.services, subject)

    async def import_codes(self, table: str) -> None:
        await self.changes.apply(await self.changes.plan_import(table.encode()), "operator")


@pytest.fixture
async def pair(
    services: DecisionServices,
    directory: SqlDirectory,
    changes: SqlDirectoryChanges,
    store: SqlStore,
    clock: ManualClock,
    edit: Edit,
) -> Pair:
    an, binh = await people.two(services)
    return Pair(
        an=an,
        binh=binh,
        services=services,
        directory=directory,
        changes=changes,
        store=store,
        clock=clock,
        edit=edit,
    )


async def agency_rows(store: SqlStore) -> list[tuple[object, ...]]:
    """Return every row of the registry, without the moment of its last change."""
    columns = [column for column in AGENCY.c if column.name != "updated_at"]
    async with store.reader.connect() as connection:
        return [tuple(row) for row in await connection.execute(select(*columns).order_by(AGENCY.c.code))]


async def event_data(services: DecisionServices, subject: str, kind: EventKind) -> list[Mapping[str, object]]:
    """Read the data of a subject's events of that kind."""
    async with services.decisions.read() as view:
        return [event.data for event in await view.events.of_subject(subject) if event.kind is kind]


async def kinds(services: DecisionServices, subject: str) -> list[EventKind]:
    async with services.decisions.read() as view:
        return [event.kind for event in await view.events.of_subject(subject)]


async def refused(act: Awaitable[object], code: str, kind: type[GatewayError] = Denied) -> None:
    """Check that the act is refused with that code."""
    with pytest.raises(kind) as error:
        await act
    assert error.value.code == code
