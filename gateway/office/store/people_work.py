"""One transaction for accounts: persons, sessions, posts, delegations, mailboxes, and their events. In: the store. Out: the
`office.ports.accounts.Accounts` promise."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime

from sqlalchemy import select
from sqlmodel import col

from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.event import EventKind
from gateway.domain.person import Person
from gateway.office.store.people_rights import SqlDelegations, SqlMailboxes, SqlPosts
from gateway.office.store.sessions import SqlPastSecrets, SqlSessions, SqlTries
from gateway.ports import Clock
from gateway.store.account_tables import HostedAgencyRow
from gateway.store.columns import from_json
from gateway.store.events import NODE, SqlEvents
from gateway.store.people import SqlPeople, to_person
from gateway.store.people_tables import PersonRow
from gateway.store.store import SqlStore
from gateway.store.transaction import Transaction


class SqlAccountWork:
    """Keeps the promise of `office.ports.accounts.AccountWork`."""

    def __init__(self, tx: Transaction, clock: Clock, principal_id: str) -> None:
        self._tx = tx
        self._clock = clock
        self._principal_id = principal_id
        self.people = SqlPeople(tx)
        self.sessions = SqlSessions(tx)
        self.tries = SqlTries(tx)
        self.past = SqlPastSecrets(tx)
        self.posts = SqlPosts(tx)
        self.delegations = SqlDelegations(tx)
        self.mailboxes = SqlMailboxes(tx)
        self.events = SqlEvents(tx, AgencyScope(agency_id=NODE, principal_id=principal_id), clock)

    async def with_code(self, digest: str) -> Person | None:
        query = self._tx.kept(select(PersonRow).where(col(PersonRow.code_digest) == digest))
        row = await self._tx.first(PersonRow, query)
        return None if row is None else to_person(row)

    async def agency_codes(self) -> Mapping[str, str]:
        rows = await self._tx.rows(HostedAgencyRow, select(HostedAgencyRow))
        found = [from_json(HostedAgency, row.body) for row in rows]
        return {each.id: each.code for each in found if each.left_at is None}

    async def tell_agency(
        self, agency_id: str, kind: EventKind, subject_id: str, at: datetime, data: Mapping[str, object]
    ) -> None:
        scope = AgencyScope(agency_id=agency_id, principal_id=self._principal_id)
        await SqlEvents(self._tx, scope, self._clock).append(kind, subject_id, at, data)

    async def commit(self) -> None:
        await self._tx.commit()


class SqlAccounts:
    """Keeps the promise of `office.ports.accounts.Accounts`."""

    def __init__(self, store: SqlStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    @asynccontextmanager
    async def begin(self, principal_id: str) -> AsyncIterator[SqlAccountWork]:
        async with self._store.writing() as tx:
            yield SqlAccountWork(tx, self._clock, principal_id)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[SqlAccountWork]:
        async with self._store.reading() as tx:
            yield SqlAccountWork(tx, self._clock, "")
