"""What accounts are kept as, on SQL: posts, delegations and mailboxes; sessions, failed tries, passwords of before and
recovery codes; and the one transaction that has them all, with persons and their events. In: the store, or an open
transaction. Out: values of the domain."""

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
from gateway.ports.services import Clock
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
    """Posts of persons, those that are over too."""

    async def give(self, post: Post) -> None:
        """The same post again replaces unit and term."""
        await self._tx.put_over(PostRow.of(post), "unit", "given_by", "given_at", "until")

    async def take(self, person_id: str, agency_id: str, role: PostRole) -> bool:
        """False when the person did not have it."""
        this = (col(_P.person_id) == person_id, col(_P.agency_id) == agency_id, col(_P.role) == role.value)
        return await self._tx.change(delete(_P).where(*this)) == 1

    async def of(self, person_ids: Collection[str]) -> Sequence[Post]:
        """By person, agency and role, those that are over too."""
        return await self._found(select(_P).where(col(_P.person_id).in_(sorted(person_ids))))

    async def in_agency(self, agency_id: str) -> Sequence[Post]:
        return await self._found(select(_P).where(col(_P.agency_id) == agency_id))

    async def all(self) -> Sequence[Post]:
        return await self._found(select(_P))

    async def _found(self, query: Select[Any]) -> list[Post]:
        ordered = query.order_by(col(_P.person_id), col(_P.agency_id), col(_P.role))
        return [value_of(Post, row) for row in await self._tx.rows(_P, self._tx.kept(ordered))]


class SqlDelegations(NodeRows):
    """Rights lent to another for a time."""

    async def add(self, delegation: Delegation) -> None:
        self._tx.put(DelegationRow.of(delegation, body=to_json(Delegation, delegation)))

    async def get(self, agency_id: str, id: str) -> Delegation:
        """NotFound when that agency has none. In a writing unit of work it stays as answered until that ends."""
        this = select(_D).where(col(_D.agency_id) == agency_id, col(_D.id) == id)
        row = await self._tx.one(_D, self._tx.kept(this), f"this agency has no delegation {id}")
        return from_json(Delegation, row.body)

    async def save(self, delegation: Delegation) -> None:
        this = (col(_D.agency_id) == delegation.agency_id, col(_D.id) == delegation.id)
        body = to_json(Delegation, delegation)
        await self._tx.change(update(_D).where(*this).values(body=body, ends_at=delegation.ends_at))

    async def to(self, person_id: str, at: datetime) -> Sequence[Delegation]:
        """Those that are not over by then, whether agreed or not."""
        mine = select(_D).where(col(_D.to_id) == person_id, col(_D.ends_at) > at)
        rows = await self._tx.rows(_D, mine.order_by(col(_D.made_at), col(_D.id)))
        found = (from_json(Delegation, row.body) for row in rows)
        return [each for each in found if each.ended_at is None]

    async def listed(self, agency_id: str, limit: int) -> Sequence[Delegation]:
        """Newest first."""
        newest = select(_D).where(col(_D.agency_id) == agency_id)
        newest = newest.order_by(col(_D.made_at).desc(), col(_D.id).desc()).limit(limit)
        return [from_json(Delegation, row.body) for row in await self._tx.rows(_D, newest)]


class SqlMailboxes(NodeRows):
    """Mailboxes, by names that are the node's."""

    async def add(self, mailbox: Mailbox) -> None:
        """Clash when the node has one of that name."""
        if not await self._tx.put_new(MailboxRow.of(mailbox)):
            raise errors.Clash(f"there is a mailbox named {mailbox.name} already")

    async def find(self, name: str) -> Mailbox | None:
        row = await self._tx.first(_M, select(_M).where(col(_M.name) == name))
        return None if row is None else value_of(Mailbox, row)

    async def listed(self, agency_id: str) -> Sequence[Mailbox]:
        mine = select(_M).where(col(_M.agency_id) == agency_id).order_by(col(_M.name))
        return [value_of(Mailbox, row) for row in await self._tx.rows(_M, mine)]

    async def close(self, agency_id: str, name: str, at: datetime) -> None:
        """NotFound when there is none."""
        this = (col(_M.agency_id) == agency_id, col(_M.name) == name)
        if await self._tx.change(update(_M).where(*this).values(closed_at=at)) != 1:
            raise errors.NotFound(f"this agency has no mailbox {name}")


_S, _T, _PAST, _C = SessionRow, SignInTryRow, PasswordPastRow, RecoveryCodeRow


class SqlSessions(NodeRows):
    """Sessions of every person, found by the digest of what a browser holds."""

    async def add(self, session: Session) -> None:
        self._tx.put(SessionRow.of(session))

    async def find(self, digest: str) -> Session | None:
        """Ended ones too. In a writing unit of work it stays as answered until that ends."""
        row = await self._tx.first(_S, self._tx.kept(select(_S).where(col(_S.digest) == digest)))
        return None if row is None else value_of(Session, row)

    async def get(self, id: str) -> Session:
        """NotFound when there is none."""
        query = self._tx.kept(select(_S).where(col(_S.id) == id))
        return value_of(Session, await self._tx.one(_S, query, f"there is no session {id}"))

    async def touch(self, digest: str, at: datetime) -> None:
        """It was used then; a later use stays."""
        this = (col(_S.digest) == digest, col(_S.seen_at) < at)
        await self._tx.change(update(_S).where(*this).values(seen_at=at))

    async def renew(self, digest: str, renewed: Session) -> bool:
        """The session goes on as `renewed`, whose digest is another: the old one finds nothing any more. False when it was
        over, or renewed before."""
        this = (col(_S.digest) == digest, col(_S.ended_at).is_(None))
        return await self._tx.change(update(_S).where(*this).values(**SessionRow.of(renewed).values())) == 1

    async def end(self, digest: str, at: datetime, why: Ended) -> bool:
        """False when it was over before."""
        this = (col(_S.digest) == digest, col(_S.ended_at).is_(None))
        return await self._tx.change(update(_S).where(*this).values(ended_at=at, ended_why=why.value)) == 1

    async def end_all(
        self, person_id: str, at: datetime, why: Ended, but: str | None = None
    ) -> Sequence[str]:
        """The ids of those that ended now; `but` is a digest that goes on."""
        found = [each for each in await self.open_of(person_id) if each.digest != but]
        for each in found:
            await self.end(each.digest, at, why)
        return [each.id for each in found]

    async def open_of(self, person_id: str) -> Sequence[Session]:
        """Not ended by anybody, newest first; whether the clock ended them is the asker's to say."""
        mine = (col(_S.person_id) == person_id, col(_S.ended_at).is_(None))
        query = self._tx.kept(select(_S).where(*mine).order_by(col(_S.began_at).desc(), col(_S.id).desc()))
        return [value_of(Session, row) for row in await self._tx.rows(_S, query)]

    async def sweep(self, before: datetime) -> int:
        """Removes those that were over by then; how many."""
        gone = or_(col(_S.ends_at) < before, col(_S.ended_at) < before)
        return await self._tx.change(delete(_S).where(gone))


class SqlTries(NodeRows):
    """Failures to sign in, by the digest of a typed name or an address."""

    async def of(self, key: str) -> FailedTries:
        """In a writing unit of work nobody else counts under that key until it ends."""
        await self._tx.hold("sign_in_try", key)
        row = await self._tx.first(_T, select(_T).where(col(_T.key) == key))
        return FailedTries() if row is None else value_of(FailedTries, row)

    async def save(self, key: str, tries: FailedTries) -> None:
        """Nothing is kept of no failures."""
        if tries.failures and tries.last_at is not None:
            await self._tx.put_over(SignInTryRow.of(tries, key=key), "failures", "last_at")
        else:
            await self._tx.change(delete(_T).where(col(_T.key) == key))

    async def sweep(self, before: datetime) -> int:
        return await self._tx.change(delete(_T).where(col(_T.last_at) < before))


class SqlPastSecrets(NodeRows):
    """Hashes of passwords of before, and one-time codes that stand for a lost second factor."""

    async def passwords(self, person_id: str, limit: int) -> Sequence[str]:
        """Newest first."""
        mine = select(_PAST).where(col(_PAST.person_id) == person_id).order_by(col(_PAST.at).desc())
        return [row.hashed for row in await self._tx.rows(_PAST, mine.limit(limit))]

    async def remember(self, person_id: str, hashed: str, at: datetime, keep: int) -> None:
        """Keeps the newest ones alone."""
        await self._tx.put_over(PasswordPastRow(person_id=person_id, at=at, hashed=hashed), "hashed")
        mine = select(_PAST).where(col(_PAST.person_id) == person_id).order_by(col(_PAST.at).desc())
        for row in (await self._tx.rows(_PAST, mine))[keep:]:
            await self._tx.change(
                delete(_PAST).where(col(_PAST.person_id) == person_id, col(_PAST.at) == row.at)
            )

    async def put_codes(self, person_id: str, digests: Collection[str]) -> None:
        """These and no others from now on."""
        await self._tx.change(delete(_C).where(col(_C.person_id) == person_id))
        self._tx.put(*(RecoveryCodeRow(person_id=person_id, digest=each) for each in digests))

    async def use_code(self, person_id: str, digest: str, at: datetime) -> bool:
        """False when it is none, or was used before: it is good for one time."""
        this = (col(_C.person_id) == person_id, col(_C.digest) == digest, col(_C.used_at).is_(None))
        return await self._tx.change(update(_C).where(*this).values(used_at=at)) == 1

    async def codes_left(self, person_id: str) -> int:
        mine = (col(_C.person_id) == person_id, col(_C.used_at).is_(None))
        ((count,),) = await self._tx.tuples(select(func.count()).select_from(_C).where(*mine))
        return int(count)


class AccountWork:
    """One unit of work, acted in by one principal: everything becomes visible together at `commit`, or not at all."""

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
        """Whose one-time code it is."""
        query = self._tx.kept(select(PersonRow).where(col(PersonRow.code_digest) == digest))
        row = await self._tx.first(PersonRow, query)
        return None if row is None else to_person(row)

    async def agency_codes(self) -> Mapping[str, str]:
        """Every hosted agency's code, by its id; those that left are not among them."""
        rows = await self._tx.rows(HostedAgencyRow, select(HostedAgencyRow))
        found = [from_json(HostedAgency, row.body) for row in rows]
        return {each.id: each.code for each in found if each.left_at is None}

    async def tell_agency(
        self, agency_id: str, kind: EventKind, subject_id: str, at: datetime, data: Mapping[str, object]
    ) -> None:
        """An event of that agency, in its own sequence."""
        scope = AgencyScope(agency_id=agency_id, principal_id=self._principal_id)
        await SqlEvents(self._tx, scope, self._clock).append(kind, subject_id, at, data)

    async def commit(self) -> None:
        await self._tx.commit()


class SqlAccounts:
    """Opens units of work on accounts."""

    def __init__(self, store: SqlStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    @asynccontextmanager
    async def begin(self, principal_id: str) -> AsyncIterator[AccountWork]:
        async with self._store.writing() as tx:
            yield AccountWork(tx, self._clock, principal_id)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AccountWork]:
        async with self._store.reading() as tx:
            yield AccountWork(tx, self._clock, "")
