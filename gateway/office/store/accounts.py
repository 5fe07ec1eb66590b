"""What accounts are kept as, on SQL: posts, delegations and mailboxes; sessions, failed tries, passwords of before and
recovery codes; and the one transaction that has them all, with persons and their events. In: the store, or an open
transaction. Out: the promises of `office.ports.accounts`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Select, delete, func, or_, select, update
from sqlmodel import col

from gateway import errors
from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.event import EventKind
from gateway.domain.person import Person
from gateway.office.domain.roles import Delegation, Mailbox, Post, PostRole
from gateway.office.domain.session import Ended, FailedTries, Session
from gateway.ports import Clock
from gateway.store.events import NODE, SqlEvents
from gateway.store.people import SqlPeople, to_person
from gateway.store.repository import NodeRows
from gateway.store.row import from_json, to_json, value_of
from gateway.store.store import SqlStore
from gateway.store.tables_node import HostedAgencyRow, PersonRow
from gateway.store.tables_office import (
    DelegationRow,
    MailboxRow,
    PasswordPastRow,
    PostRow,
    RecoveryCodeRow,
    SessionRow,
    SignInTryRow,
)
from gateway.store.transaction import Transaction

_P, _D, _M = PostRow, DelegationRow, MailboxRow


class SqlPosts(NodeRows):
    """Keeps the promise of `office.ports.accounts.Posts`."""

    async def give(self, post: Post) -> None:
        await self._tx.put_over(PostRow.of(post), "unit", "given_by", "given_at", "until")

    async def take(self, person_id: str, agency_id: str, role: PostRole) -> bool:
        this = (col(_P.person_id) == person_id, col(_P.agency_id) == agency_id, col(_P.role) == role.value)
        return await self._tx.change(delete(_P).where(*this)) == 1

    async def of(self, person_ids: Collection[str]) -> Sequence[Post]:
        return await self._found(select(_P).where(col(_P.person_id).in_(sorted(person_ids))))

    async def in_agency(self, agency_id: str) -> Sequence[Post]:
        return await self._found(select(_P).where(col(_P.agency_id) == agency_id))

    async def all(self) -> Sequence[Post]:
        return await self._found(select(_P))

    async def _found(self, query: Select[Any]) -> list[Post]:
        ordered = query.order_by(col(_P.person_id), col(_P.agency_id), col(_P.role))
        return [value_of(Post, row) for row in await self._tx.rows(_P, self._tx.kept(ordered))]


class SqlDelegations(NodeRows):
    """Keeps the promise of `office.ports.accounts.Delegations`."""

    async def add(self, delegation: Delegation) -> None:
        self._tx.put(DelegationRow.of(delegation, body=to_json(Delegation, delegation)))

    async def get(self, agency_id: str, id: str) -> Delegation:
        this = select(_D).where(col(_D.agency_id) == agency_id, col(_D.id) == id)
        row = await self._tx.one(_D, self._tx.kept(this), f"this agency has no delegation {id}")
        return from_json(Delegation, row.body)

    async def save(self, delegation: Delegation) -> None:
        this = (col(_D.agency_id) == delegation.agency_id, col(_D.id) == delegation.id)
        body = to_json(Delegation, delegation)
        await self._tx.change(update(_D).where(*this).values(body=body, ends_at=delegation.ends_at))

    async def to(self, person_id: str, at: datetime) -> Sequence[Delegation]:
        mine = select(_D).where(col(_D.to_id) == person_id, col(_D.ends_at) > at)
        rows = await self._tx.rows(_D, mine.order_by(col(_D.made_at), col(_D.id)))
        found = (from_json(Delegation, row.body) for row in rows)
        return [each for each in found if each.ended_at is None]

    async def listed(self, agency_id: str, limit: int) -> Sequence[Delegation]:
        newest = select(_D).where(col(_D.agency_id) == agency_id)
        newest = newest.order_by(col(_D.made_at).desc(), col(_D.id).desc()).limit(limit)
        return [from_json(Delegation, row.body) for row in await self._tx.rows(_D, newest)]


class SqlMailboxes(NodeRows):
    """Keeps the promise of `office.ports.accounts.Mailboxes`."""

    async def add(self, mailbox: Mailbox) -> None:
        if not await self._tx.put_new(MailboxRow.of(mailbox)):
            raise errors.Clash(f"there is a mailbox named {mailbox.name} already")

    async def find(self, name: str) -> Mailbox | None:
        row = await self._tx.first(_M, select(_M).where(col(_M.name) == name))
        return None if row is None else value_of(Mailbox, row)

    async def listed(self, agency_id: str) -> Sequence[Mailbox]:
        mine = select(_M).where(col(_M.agency_id) == agency_id).order_by(col(_M.name))
        return [value_of(Mailbox, row) for row in await self._tx.rows(_M, mine)]

    async def close(self, agency_id: str, name: str, at: datetime) -> None:
        this = (col(_M.agency_id) == agency_id, col(_M.name) == name)
        if await self._tx.change(update(_M).where(*this).values(closed_at=at)) != 1:
            raise errors.NotFound(f"this agency has no mailbox {name}")


_S, _T, _PAST, _C = SessionRow, SignInTryRow, PasswordPastRow, RecoveryCodeRow


class SqlSessions(NodeRows):
    """Keeps the promise of `office.ports.accounts.Sessions`."""

    async def add(self, session: Session) -> None:
        self._tx.put(SessionRow.of(session))

    async def find(self, digest: str) -> Session | None:
        row = await self._tx.first(_S, self._tx.kept(select(_S).where(col(_S.digest) == digest)))
        return None if row is None else value_of(Session, row)

    async def get(self, id: str) -> Session:
        query = self._tx.kept(select(_S).where(col(_S.id) == id))
        return value_of(Session, await self._tx.one(_S, query, f"there is no session {id}"))

    async def touch(self, digest: str, at: datetime) -> None:
        this = (col(_S.digest) == digest, col(_S.seen_at) < at)
        await self._tx.change(update(_S).where(*this).values(seen_at=at))

    async def renew(self, digest: str, renewed: Session) -> bool:
        this = (col(_S.digest) == digest, col(_S.ended_at).is_(None))
        return await self._tx.change(update(_S).where(*this).values(**SessionRow.of(renewed).values())) == 1

    async def end(self, digest: str, at: datetime, why: Ended) -> bool:
        this = (col(_S.digest) == digest, col(_S.ended_at).is_(None))
        return await self._tx.change(update(_S).where(*this).values(ended_at=at, ended_why=why.value)) == 1

    async def end_all(
        self, person_id: str, at: datetime, why: Ended, but: str | None = None
    ) -> Sequence[str]:
        found = [each for each in await self.open_of(person_id) if each.digest != but]
        for each in found:
            await self.end(each.digest, at, why)
        return [each.id for each in found]

    async def open_of(self, person_id: str) -> Sequence[Session]:
        mine = (col(_S.person_id) == person_id, col(_S.ended_at).is_(None))
        query = self._tx.kept(select(_S).where(*mine).order_by(col(_S.began_at).desc(), col(_S.id).desc()))
        return [value_of(Session, row) for row in await self._tx.rows(_S, query)]

    async def sweep(self, before: datetime) -> int:
        gone = or_(col(_S.ends_at) < before, col(_S.ended_at) < before)
        return await self._tx.change(delete(_S).where(gone))


class SqlTries(NodeRows):
    """Keeps the promise of `office.ports.accounts.Tries`."""

    async def of(self, key: str) -> FailedTries:
        await self._tx.hold("sign_in_try", key)
        row = await self._tx.first(_T, select(_T).where(col(_T.key) == key))
        return FailedTries() if row is None else value_of(FailedTries, row)

    async def save(self, key: str, tries: FailedTries) -> None:
        if tries.failures and tries.last_at is not None:
            await self._tx.put_over(SignInTryRow.of(tries, key=key), "failures", "last_at")
        else:
            await self._tx.change(delete(_T).where(col(_T.key) == key))

    async def sweep(self, before: datetime) -> int:
        return await self._tx.change(delete(_T).where(col(_T.last_at) < before))


class SqlPastSecrets(NodeRows):
    """Keeps the promise of `office.ports.accounts.PastSecrets`."""

    async def passwords(self, person_id: str, limit: int) -> Sequence[str]:
        mine = select(_PAST).where(col(_PAST.person_id) == person_id).order_by(col(_PAST.at).desc())
        return [row.hashed for row in await self._tx.rows(_PAST, mine.limit(limit))]

    async def remember(self, person_id: str, hashed: str, at: datetime, keep: int) -> None:
        await self._tx.put_over(PasswordPastRow(person_id=person_id, at=at, hashed=hashed), "hashed")
        mine = select(_PAST).where(col(_PAST.person_id) == person_id).order_by(col(_PAST.at).desc())
        for row in (await self._tx.rows(_PAST, mine))[keep:]:
            await self._tx.change(
                delete(_PAST).where(col(_PAST.person_id) == person_id, col(_PAST.at) == row.at)
            )

    async def put_codes(self, person_id: str, digests: Collection[str]) -> None:
        await self._tx.change(delete(_C).where(col(_C.person_id) == person_id))
        self._tx.put(*(RecoveryCodeRow(person_id=person_id, digest=each) for each in digests))

    async def use_code(self, person_id: str, digest: str, at: datetime) -> bool:
        this = (col(_C.person_id) == person_id, col(_C.digest) == digest, col(_C.used_at).is_(None))
        return await self._tx.change(update(_C).where(*this).values(used_at=at)) == 1

    async def codes_left(self, person_id: str) -> int:
        mine = (col(_C.person_id) == person_id, col(_C.used_at).is_(None))
        ((count,),) = await self._tx.tuples(select(func.count()).select_from(_C).where(*mine))
        return int(count)


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
