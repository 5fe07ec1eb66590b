"""Storage of accounts, on SQL: posts, delegations and mailboxes; sessions, failed tries, earlier passwords and recovery
codes; and the one transaction that has them all, with persons and their events. In: the store, or an open transaction. Out:
values of the domain."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, delete, func, or_, select, update
from sqlmodel import col

from gateway import errors
from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.event import EventKind
from gateway.domain.handling import unit_key
from gateway.domain.person import Person
from gateway.office.domain.account_request import AccountRequest, RequestForm, RequestState
from gateway.office.domain.roles import Delegation, Mailbox, Post, PostRole
from gateway.office.domain.session import FailedTries, Session, SessionEnd
from gateway.office.store.reminders import SqlReminders
from gateway.ports.services import Clock
from gateway.store.events import NODE, SqlEvents
from gateway.store.people import SqlPeople, SqlProposals, to_person
from gateway.store.profiles import SqlAgencyProfile
from gateway.store.repository import NodeRows
from gateway.store.row import from_json, to_json, value_of
from gateway.store.store import SqlStore
from gateway.store.tables_node import AccountRequestRow, HostedAgencyRow, PersonRow
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
from gateway.store.units import SqlUnitParts, SqlUnits, former_names

_P, _D, _M = PostRow, DelegationRow, MailboxRow


class SqlPosts(NodeRows):
    """Posts of persons, also those that are over."""

    async def give(self, post: Post) -> None:
        """Give a post; the same post again replaces unit and term."""
        await self._tx.upsert(PostRow.from_value(post), "unit", "given_by", "given_at", "until")

    async def take(self, person_id: str, agency_id: str, role: PostRole) -> bool:
        """Take a post away; return False when the person did not have it."""
        clauses = (col(_P.person_id) == person_id, col(_P.agency_id) == agency_id, col(_P.role) == role.value)
        return await self._tx.change(delete(_P).where(*clauses)) == 1

    async def of_persons(self, person_ids: Collection[str]) -> Sequence[Post]:
        """List posts by person, agency and role, also those that are over."""
        return await self._list_posts(select(_P).where(col(_P.person_id).in_(sorted(person_ids))))

    async def in_agency(self, agency_id: str) -> Sequence[Post]:
        return await self._list_posts(select(_P).where(col(_P.agency_id) == agency_id))

    async def all(self) -> Sequence[Post]:
        return await self._list_posts(select(_P))

    async def _list_posts(self, query: Select[Any]) -> list[Post]:
        ordered = query.order_by(col(_P.person_id), col(_P.agency_id), col(_P.role))
        rows = await self._tx.rows(_P, self._tx.lock_rows(ordered))
        former = await former_names(self._tx, {row.agency_id for row in rows if row.unit})
        return [
            value_of(Post, row, former=former.get((row.agency_id, unit_key(row.unit)), ())) for row in rows
        ]


class SqlDelegations(NodeRows):
    """Rights lent to another for a time."""

    async def add(self, delegation: Delegation) -> None:
        self._tx.insert(DelegationRow.from_value(delegation, body=to_json(Delegation, delegation)))

    async def get(self, agency_id: str, id: str) -> Delegation:
        """Return a delegation; NotFound when that agency has none. A writing unit of work keeps it from changing."""
        query = select(_D).where(col(_D.agency_id) == agency_id, col(_D.id) == id)
        row = await self._tx.get(_D, self._tx.lock_rows(query), f"this agency has no delegation {id}")
        return from_json(Delegation, row.body)

    async def save(self, delegation: Delegation) -> None:
        clauses = (col(_D.agency_id) == delegation.agency_id, col(_D.id) == delegation.id)
        body = to_json(Delegation, delegation)
        await self._tx.change(update(_D).where(*clauses).values(body=body, ends_at=delegation.ends_at))

    async def to(self, person_id: str, at: datetime) -> Sequence[Delegation]:
        """List delegations to the person that are not over by then, whether agreed or not."""
        mine = select(_D).where(col(_D.to_id) == person_id, col(_D.ends_at) > at)
        rows = await self._tx.rows(_D, mine.order_by(col(_D.made_at), col(_D.id)))
        delegations = (from_json(Delegation, row.body) for row in rows)
        return [delegation for delegation in delegations if delegation.ended_at is None]

    async def listed(self, agency_id: str, limit: int) -> Sequence[Delegation]:
        """List delegations, newest first."""
        newest = select(_D).where(col(_D.agency_id) == agency_id)
        newest = newest.order_by(col(_D.made_at).desc(), col(_D.id).desc()).limit(limit)
        return [from_json(Delegation, row.body) for row in await self._tx.rows(_D, newest)]


class SqlMailboxes(NodeRows):
    """Mailboxes, by names that are the node's."""

    async def add(self, mailbox: Mailbox) -> None:
        """Add a mailbox; Clash when the node has one of that name."""
        if not await self._tx.insert_new(MailboxRow.from_value(mailbox)):
            raise errors.Clash(f"there is a mailbox named {mailbox.name} already")

    async def find(self, name: str) -> Mailbox | None:
        row = await self._tx.first(_M, select(_M).where(col(_M.name) == name))
        return None if row is None else value_of(Mailbox, row)

    async def listed(self, agency_id: str) -> Sequence[Mailbox]:
        mine = select(_M).where(col(_M.agency_id) == agency_id).order_by(col(_M.name))
        return [value_of(Mailbox, row) for row in await self._tx.rows(_M, mine)]

    async def close(self, agency_id: str, name: str, at: datetime) -> None:
        """Close a mailbox; NotFound when there is none."""
        clauses = (col(_M.agency_id) == agency_id, col(_M.name) == name)
        if await self._tx.change(update(_M).where(*clauses).values(closed_at=at)) != 1:
            raise errors.NotFound(f"this agency has no mailbox {name}")


_S, _T, _PAST, _C = SessionRow, SignInTryRow, PasswordPastRow, RecoveryCodeRow


class SqlSessions(NodeRows):
    """Sessions of every person, found by the digest of the browser's token."""

    async def add(self, session: Session) -> None:
        self._tx.insert(SessionRow.from_value(session))

    async def find(self, digest: str) -> Session | None:
        """Find a session, also an ended one. In a writing unit of work it does not change until that ends."""
        row = await self._tx.first(_S, self._tx.lock_rows(select(_S).where(col(_S.digest) == digest)))
        return None if row is None else value_of(Session, row)

    async def get(self, id: str) -> Session:
        """Return a session; NotFound when there is none."""
        query = self._tx.lock_rows(select(_S).where(col(_S.id) == id))
        return value_of(Session, await self._tx.get(_S, query, f"there is no session {id}"))

    async def touch(self, digest: str, at: datetime) -> None:
        """Note that the session was used then; a later use stays."""
        clauses = (col(_S.digest) == digest, col(_S.seen_at) < at)
        await self._tx.change(update(_S).where(*clauses).values(seen_at=at))

    async def renew(self, digest: str, renewed: Session) -> bool:
        """Replace the session by `renewed`, whose digest is another: the old digest finds nothing any more. Return False
        when it was over, or renewed before."""
        clauses = (col(_S.digest) == digest, col(_S.ended_at).is_(None))
        return (
            await self._tx.change(
                update(_S).where(*clauses).values(**SessionRow.from_value(renewed).values())
            )
            == 1
        )

    async def end(self, digest: str, at: datetime, why: SessionEnd) -> bool:
        """End a session; return False when it was over before."""
        clauses = (col(_S.digest) == digest, col(_S.ended_at).is_(None))
        return await self._tx.change(update(_S).where(*clauses).values(ended_at=at, ended_why=why.value)) == 1

    async def end_all(
        self, person_id: str, at: datetime, why: SessionEnd, but: str | None = None
    ) -> Sequence[str]:
        """End a person's sessions, but for the one of that digest; return the ids of those that ended now."""
        sessions = [session for session in await self.open_of(person_id) if session.digest != but]
        for session in sessions:
            await self.end(session.digest, at, why)
        return [session.id for session in sessions]

    async def open_of(self, person_id: str) -> Sequence[Session]:
        """List sessions that were not ended, newest first; the caller judges whether the clock ended them."""
        mine = (col(_S.person_id) == person_id, col(_S.ended_at).is_(None))
        query = self._tx.lock_rows(
            select(_S).where(*mine).order_by(col(_S.began_at).desc(), col(_S.id).desc())
        )
        return [value_of(Session, row) for row in await self._tx.rows(_S, query)]

    async def sweep(self, cutoff: datetime) -> int:
        """Remove sessions that were over by then; return how many."""
        is_over = or_(col(_S.ends_at) < cutoff, col(_S.ended_at) < cutoff)
        return await self._tx.change(delete(_S).where(is_over))


class SqlTries(NodeRows):
    """Failures to sign in, by the digest of a typed name or an address."""

    async def load(self, key: str) -> FailedTries:
        """Return failures. In a writing unit of work no other one counts under that key until it ends."""
        await self._tx.hold("sign_in_try", key)
        row = await self._tx.first(_T, select(_T).where(col(_T.key) == key))
        return FailedTries() if row is None else value_of(FailedTries, row)

    async def save(self, key: str, tries: FailedTries) -> None:
        """Save failures; a count of none is removed."""
        if tries.failures and tries.last_at is not None:
            await self._tx.upsert(SignInTryRow.from_value(tries, key=key), "failures", "last_at")
        else:
            await self._tx.change(delete(_T).where(col(_T.key) == key))

    async def sweep(self, cutoff: datetime) -> int:
        return await self._tx.change(delete(_T).where(col(_T.last_at) < cutoff))


class SqlPastSecrets(NodeRows):
    """Hashes of earlier passwords, and one-time codes that stand for a lost second factor."""

    async def passwords(self, person_id: str, limit: int) -> Sequence[str]:
        """List hashes, newest first."""
        mine = select(_PAST).where(col(_PAST.person_id) == person_id).order_by(col(_PAST.at).desc())
        return [row.hashed for row in await self._tx.rows(_PAST, mine.limit(limit))]

    async def remember(self, person_id: str, hashed: str, at: datetime, keep: int) -> None:
        """Keep a hash, and only the newest ones."""
        await self._tx.upsert(PasswordPastRow(person_id=person_id, at=at, hashed=hashed), "hashed")
        mine = select(_PAST).where(col(_PAST.person_id) == person_id).order_by(col(_PAST.at).desc())
        for row in (await self._tx.rows(_PAST, mine))[keep:]:
            await self._tx.change(
                delete(_PAST).where(col(_PAST.person_id) == person_id, col(_PAST.at) == row.at)
            )

    async def put_codes(self, person_id: str, digests: Collection[str]) -> None:
        """Replace all codes by these."""
        await self._tx.change(delete(_C).where(col(_C.person_id) == person_id))
        self._tx.insert(
            *(RecoveryCodeRow(person_id=person_id, digest=code_digest) for code_digest in digests)
        )

    async def use_code(self, person_id: str, digest: str, at: datetime) -> bool:
        """Use a code; return False when there is none, or it was used before: it is good for one time."""
        clauses = (col(_C.person_id) == person_id, col(_C.digest) == digest, col(_C.used_at).is_(None))
        return await self._tx.change(update(_C).where(*clauses).values(used_at=at)) == 1

    async def codes_left(self, person_id: str) -> int:
        mine = (col(_C.person_id) == person_id, col(_C.used_at).is_(None))
        ((count,),) = await self._tx.tuples(select(func.count()).select_from(_C).where(*mine))
        return int(count)


_R = AccountRequestRow


class SqlAccountRequests(NodeRows):
    """Requests of agencies about their accounts, and the reports that they handed in."""

    async def add(self, request: AccountRequest) -> None:
        self._tx.insert(AccountRequestRow.from_value(request, body=to_json(AccountRequest, request)))

    async def get(self, id: str) -> AccountRequest:
        """Return a request; NotFound when there is none. A writing unit of work keeps it from changing."""
        query = self._tx.lock_rows(select(_R).where(col(_R.id) == id))
        row = await self._tx.get(_R, query, f"there is no request {id}")
        return from_json(AccountRequest, row.body)

    async def save(self, request: AccountRequest) -> None:
        body = to_json(AccountRequest, request)
        changed = {"state": request.state.value, "body": body}
        await self._tx.change(update(_R).where(col(_R.id) == request.id).values(**changed))

    async def open(self) -> Sequence[AccountRequest]:
        """List all that wait for an answer, oldest first."""
        query = select(_R).where(col(_R.state) == RequestState.OPEN.value)
        return await self._values(query.order_by(col(_R.made_at), col(_R.id)))

    async def listed(self, agency_id: str | None, limit: int, after: str = "") -> Sequence[AccountRequest]:
        """List requests, newest first: of one agency, or of all for None; those that follow the one of the id `after`."""
        query = select(_R)
        if agency_id is not None:
            query = query.where(col(_R.agency_id) == agency_id)
        if after:
            last = await self.get(after)
            is_before = and_(col(_R.made_at) == last.made_at, col(_R.id) < last.id)
            query = query.where(or_(col(_R.made_at) < last.made_at, is_before))
        return await self._values(query.order_by(col(_R.made_at).desc(), col(_R.id).desc()).limit(limit))

    async def reports_since(self, since: datetime) -> Sequence[AccountRequest]:
        """List reports that were handed in since then, oldest first."""
        query = select(_R).where(col(_R.state) == RequestState.FILED.value, col(_R.made_at) >= since)
        query = query.where(col(_R.form) == RequestForm.REPORT.value)
        return await self._values(query.order_by(col(_R.made_at), col(_R.id)))

    async def _values(self, query: Select[Any]) -> Sequence[AccountRequest]:
        return [from_json(AccountRequest, row.body) for row in await self._tx.rows(_R, query)]


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
        self.proposals = SqlProposals(tx)
        self.requests = SqlAccountRequests(tx)
        self.events = SqlEvents(tx, AgencyScope(agency_id=NODE, principal_id=principal_id), clock)

    async def with_code(self, digest: str) -> Person | None:
        """Find the person of a one-time code."""
        query = self._tx.lock_rows(select(PersonRow).where(col(PersonRow.code_digest) == digest))
        row = await self._tx.first(PersonRow, query)
        return None if row is None else to_person(row)

    async def agency_codes(self) -> Mapping[str, str]:
        """Return every hosted agency's code, by its id; agencies that left are not among them."""
        rows = await self._tx.rows(HostedAgencyRow, select(HostedAgencyRow))
        agencies = [from_json(HostedAgency, row.body) for row in rows]
        return {agency.id: agency.code for agency in agencies if agency.left_at is None}

    def new_id(self, prefix: str) -> str:
        return self._clock.new_id(prefix)

    def units_of(self, agency_id: str) -> SqlUnits:
        return SqlUnits(self._tx, AgencyScope(agency_id=agency_id, principal_id=self._principal_id))

    def parts_of(self, agency_id: str) -> SqlUnitParts:
        return SqlUnitParts(self._tx, AgencyScope(agency_id=agency_id, principal_id=self._principal_id))

    def profile_of(self, agency_id: str) -> SqlAgencyProfile:
        return SqlAgencyProfile(self._tx, AgencyScope(agency_id=agency_id, principal_id=self._principal_id))

    async def tell_agency(
        self, agency_id: str, kind: EventKind, subject_id: str, at: datetime, data: Mapping[str, object]
    ) -> None:
        """Write an event to that agency's own sequence."""
        scope = AgencyScope(agency_id=agency_id, principal_id=self._principal_id)
        await SqlEvents(self._tx, scope, self._clock).append(kind, subject_id, at, data)

    async def plan_reminder(self, agency_id: str, key: str, at: datetime) -> None:
        """Let people of that agency be told by mail, once."""
        scope = AgencyScope(agency_id=agency_id, principal_id=self._principal_id)
        await SqlReminders(self._tx, scope).plan(key, at)

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
