"""Storage of accounts, on SQL: posts, delegations and mailboxes; sessions, failed tries, earlier passwords and recovery
codes; and the one transaction that has them all, with persons and their events. In: the store, or an open transaction. Out:
values of the domain."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, Select, and_, bindparam, delete, func, or_, select, update
from sqlmodel import col

from gateway import errors
from gateway.domain.account import AgencyScope
from gateway.domain.document import OutState
from gateway.domain.event import EventKind
from gateway.domain.handling import unit_key
from gateway.domain.person import Person
from gateway.ports.services import Clock
from gateway.store.accounts import SqlAgencyProfile, to_hosted
from gateway.store.events import NODE, SqlEvents
from gateway.store.people import SqlPeople, SqlProposals, to_person
from gateway.store.repository import NodeRows
from gateway.store.row import Moment, OfAgency, among, equal, from_json, to_json, value_of
from gateway.store.store import SqlStore
from gateway.store.tables import IncomingRow, OutgoingRow
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
from gateway_office.domain.account_request import AccountRequest, RequestForm, RequestState
from gateway_office.domain.roles import Delegation, Mailbox, Post, PostRole
from gateway_office.domain.session import FailedTries, Session, SessionEnd
from gateway_office.store.reminders import SqlReminders

_P, _D, _M = PostRow, DelegationRow, MailboxRow
# Asked with each page.
_POSTS = select(_P).order_by(col(_P.person_id), col(_P.agency_id), col(_P.role))
_POSTS_OF = _POSTS.where(among(col(_P.person_id), "persons"))
_POSTS_IN = _POSTS.where(col(_P.agency_id) == bindparam("agency"))
_LENT_TO = (
    select(_D)
    .where(col(_D.to_id) == bindparam("person"), col(_D.ends_at) > bindparam("at", type_=Moment))
    .order_by(col(_D.made_at), col(_D.id))
)
_S, _T, _PAST, _C = SessionRow, SignInTryRow, PasswordPastRow, RecoveryCodeRow
_R = AccountRequestRow


class SqlPosts(NodeRows):
    """Posts of persons, also those that are over."""

    async def give(self, post: Post) -> None:
        """Give a post; the same post again replaces unit and term."""
        await self._tx.upsert(PostRow.from_value(post))

    async def take(self, person_id: str, agency_id: str, role: PostRole) -> bool:
        """Take a post away; return False when the person did not have it."""
        return await self._delete(_P, person_id=person_id, agency_id=agency_id, role=role.value) == 1

    async def of_persons(self, person_ids: Collection[str]) -> Sequence[Post]:
        """List posts by person, agency and role, also those that are over."""
        return await self._list_posts(_POSTS_OF, persons=sorted(person_ids))

    async def in_agency(self, agency_id: str) -> Sequence[Post]:
        return await self._list_posts(_POSTS_IN, agency=agency_id)

    async def all(self) -> Sequence[Post]:
        return await self._list_posts(_POSTS)

    async def _list_posts(self, query: Select[Any], **values: object) -> list[Post]:
        rows = await self._tx.rows(_P, self._tx.lock_rows(query), **values)
        former = await former_names(self._tx, {row.agency_id for row in rows if row.unit})
        return [
            value_of(Post, row, former=former.get((row.agency_id, unit_key(row.unit)), ())) for row in rows
        ]


class SqlDelegations(NodeRows):
    """Rights lent to another for a time."""

    async def add(self, delegation: Delegation) -> None:
        self._tx.insert(_delegation_row(delegation))

    async def get(self, agency_id: str, id: str) -> Delegation:
        """Return a delegation; NotFound when that agency has none. A writing unit of work keeps it from changing."""
        missing = f"this agency has no delegation {id}"
        return await self._load(_to_delegation, _D, missing, agency_id=agency_id, id=id)

    async def save(self, delegation: Delegation) -> None:
        await self._tx.update(_delegation_row(delegation))

    async def to(self, person_id: str, at: datetime) -> Sequence[Delegation]:
        """List delegations to the person that are not over by then, whether agreed or not."""
        delegations = await self._tx.values(_to_delegation, _LENT_TO, person=person_id, at=at)
        return [delegation for delegation in delegations if delegation.ended_at is None]

    async def listed(self, agency_id: str, limit: int) -> Sequence[Delegation]:
        """List delegations, newest first."""
        newest = ("made_at DESC", "id DESC")
        return await self._list(_to_delegation, _D, *newest, most=limit, agency_id=agency_id)


def _to_delegation(row: DelegationRow) -> Delegation:
    return from_json(Delegation, row.body)


def _delegation_row(delegation: Delegation) -> DelegationRow:
    return DelegationRow.from_value(delegation, body=to_json(Delegation, delegation))


class SqlMailboxes(NodeRows):
    """Mailboxes, by names that are the node's."""

    async def add(self, mailbox: Mailbox) -> None:
        """Add a mailbox; Clash when the node has one of that name."""
        if not await self._tx.insert_new(MailboxRow.from_value(mailbox)):
            raise errors.Clash(f"there is a mailbox named {mailbox.name} already")

    async def find(self, name: str) -> Mailbox | None:
        return await self._find(Mailbox, _M, lock=False, name=name)

    async def listed(self, agency_id: str) -> Sequence[Mailbox]:
        return await self._list(Mailbox, _M, "name", agency_id=agency_id)

    async def close(self, agency_id: str, name: str, at: datetime) -> None:
        """Close a mailbox; NotFound when there is none."""
        mailbox = update(_M).where(equal(_M, agency_id=agency_id, name=name))
        if await self._tx.change(mailbox.values(closed_at=at)) != 1:
            raise errors.NotFound(f"this agency has no mailbox {name}")


class SqlSessions(NodeRows):
    """Sessions of every person, found by the digest of the browser's token."""

    async def add(self, session: Session) -> None:
        self._tx.insert(SessionRow.from_value(session))

    async def find(self, digest: str) -> Session | None:
        """Find a session, also an ended one. In a writing unit of work it does not change until that ends."""
        return await self._find(Session, _S, digest=digest)

    async def get(self, id: str) -> Session:
        """Return a session; NotFound when there is none."""
        return await self._load(Session, _S, f"there is no session {id}", id=id)

    async def touch(self, digest: str, at: datetime) -> None:
        """Note that the session was used then; a later use stays."""
        clauses = (col(_S.digest) == digest, col(_S.seen_at) < at)
        await self._tx.change(update(_S).where(*clauses).values(seen_at=at))

    async def renew(self, digest: str, renewed: Session) -> bool:
        """Replace the session by `renewed`, whose digest is another: the old digest finds nothing any more. Return False
        when it was over, or renewed before."""
        is_open = update(_S).where(equal(_S, digest=digest, ended_at=None))
        return await self._tx.change(is_open.values(**SessionRow.from_value(renewed).values())) == 1

    async def end(self, digest: str, at: datetime, why: SessionEnd) -> bool:
        """End a session; return False when it was over before."""
        is_open = update(_S).where(equal(_S, digest=digest, ended_at=None))
        return await self._tx.change(is_open.values(ended_at=at, ended_why=why.value)) == 1

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
        mine = select(_S).where(equal(_S, person_id=person_id, ended_at=None))
        newest = mine.order_by(col(_S.began_at).desc(), col(_S.id).desc())
        return await self._tx.values(Session, self._tx.lock_rows(newest))

    async def sweep(self, cutoff: datetime) -> int:
        """Remove sessions that were over by then; return how many."""
        is_over = or_(col(_S.ends_at) < cutoff, col(_S.ended_at) < cutoff)
        return await self._tx.change(delete(_S).where(is_over))


class SqlTries(NodeRows):
    """Failures to sign in, by the digest of a typed name or an address."""

    async def load(self, key: str) -> FailedTries:
        """Return failures. In a writing unit of work no other one counts under that key until it ends."""
        await self._tx.hold("sign_in_try", key)
        return await self._find(FailedTries, _T, lock=False, key=key) or FailedTries()

    async def save(self, key: str, tries: FailedTries) -> None:
        """Save failures; a count of none is removed."""
        if tries.failures and tries.last_at is not None:
            await self._tx.upsert(SignInTryRow.from_value(tries, key=key))
        else:
            await self._delete(_T, key=key)

    async def sweep(self, cutoff: datetime) -> int:
        return await self._delete(_T, col(_T.last_at) < cutoff)


class SqlPastSecrets(NodeRows):
    """Hashes of earlier passwords, and one-time codes that stand for a lost second factor."""

    async def passwords(self, person_id: str, limit: int) -> Sequence[str]:
        """List hashes, newest first."""
        return await self._list(attrgetter("hashed"), _PAST, "at DESC", most=limit, person_id=person_id)

    async def remember(self, person_id: str, hashed: str, at: datetime, keep: int) -> None:
        """Keep a hash, and only the newest ones."""
        await self._tx.upsert(PasswordPastRow(person_id=person_id, at=at, hashed=hashed))
        times = await self._list(attrgetter("at"), _PAST, "at DESC", person_id=person_id)
        for time in times[keep:]:
            await self._delete(_PAST, person_id=person_id, at=time)

    async def put_codes(self, person_id: str, digests: Collection[str]) -> None:
        """Replace all codes by these."""
        await self._delete(_C, person_id=person_id)
        self._tx.insert(
            *(RecoveryCodeRow(person_id=person_id, digest=code_digest) for code_digest in digests)
        )

    async def use_code(self, person_id: str, digest: str, at: datetime) -> bool:
        """Use a code; return False when there is none, or it was used before: it is good for one time."""
        unused = update(_C).where(equal(_C, person_id=person_id, digest=digest, used_at=None))
        return await self._tx.change(unused.values(used_at=at)) == 1

    async def codes_left(self, person_id: str) -> int:
        unused = equal(_C, person_id=person_id, used_at=None)
        return int(await self._tx.scalar(select(func.count()).select_from(_C).where(unused)))


class SqlAccountRequests(NodeRows):
    """Requests of agencies about their accounts, and the reports that they handed in."""

    async def add(self, request: AccountRequest) -> None:
        self._tx.insert(_request_row(request))

    async def get(self, id: str) -> AccountRequest:
        """Return a request; NotFound when there is none. A writing unit of work keeps it from changing."""
        return await self._load(_to_request, _R, f"there is no request {id}", id=id)

    async def save(self, request: AccountRequest) -> None:
        await self._tx.update(_request_row(request))

    async def open(self) -> Sequence[AccountRequest]:
        """List all that wait for an answer, oldest first."""
        return await self._list(_to_request, _R, "made_at", "id", state=RequestState.OPEN.value)

    async def listed(self, agency_id: str | None, limit: int, cursor: str = "") -> Sequence[AccountRequest]:
        """List requests, newest first: of one agency, or of all for None; those that follow the one of the id `cursor`."""
        query = select(_R)
        if agency_id is not None:
            query = query.where(col(_R.agency_id) == agency_id)
        if cursor:
            last = await self.get(cursor)
            is_before = and_(col(_R.made_at) == last.made_at, col(_R.id) < last.id)
            query = query.where(or_(col(_R.made_at) < last.made_at, is_before))
        newest = query.order_by(col(_R.made_at).desc(), col(_R.id).desc()).limit(limit)
        return await self._tx.values(_to_request, newest)

    async def reports_since(self, since: datetime) -> Sequence[AccountRequest]:
        """List reports that were handed in since then, oldest first."""
        is_report = equal(_R, state=RequestState.FILED.value, form=RequestForm.REPORT.value)
        query = select(_R).where(is_report, col(_R.made_at) >= since)
        return await self._tx.values(_to_request, query.order_by(col(_R.made_at), col(_R.id)))


def _to_request(row: AccountRequestRow) -> AccountRequest:
    return from_json(AccountRequest, row.body)


def _request_row(request: AccountRequest) -> AccountRequestRow:
    return AccountRequestRow.from_value(request, body=to_json(AccountRequest, request))


# Any: a column of a row class, as everywhere in SQLModel.
def _newest(column: Any, table: type[OfAgency], *conditions: ColumnElement[bool]) -> ScalarSelect[Any]:
    """Return the query for the newest moment of an agency's rows, by the index over agency and moment."""
    query = (
        select(column).select_from(table).where(col(table.agency_id) == col(HostedAgencyRow.id), *conditions)
    )
    return query.order_by(column.desc()).limit(1).scalar_subquery()


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
        self.events = SqlEvents(tx, self._scope(NODE), clock)

    async def with_code(self, digest: str) -> Person | None:
        """Find the person of a one-time code."""
        query = self._tx.lock_rows(select(PersonRow).where(col(PersonRow.code_digest) == digest))
        return await self._tx.value(to_person, query)

    async def agency_codes(self) -> Mapping[str, str]:
        """Return every hosted agency's code, by its id; agencies that left are not among them."""
        agencies = await self._tx.values(to_hosted, select(HostedAgencyRow))
        return {agency.id: agency.code for agency in agencies if agency.left_at is None}

    async def last_traffic(self) -> Mapping[str, datetime]:
        """Return when each agency last sent or received a document, by its id; one that never did has no entry."""
        sent = _newest(OutgoingRow.created_at, OutgoingRow, col(OutgoingRow.state) != OutState.DRAFT)
        arrived = _newest(IncomingRow.arrived_at, IncomingRow)
        rows = await self._tx.tuples(select(col(HostedAgencyRow.id), sent, arrived))
        moments = {id: [at for at in pair if at is not None] for id, *pair in rows}
        return {id: max(times) for id, times in moments.items() if times}

    def new_id(self, prefix: str) -> str:
        return self._clock.new_id(prefix)

    def units_of(self, agency_id: str) -> SqlUnits:
        return SqlUnits(self._tx, self._scope(agency_id))

    def parts_of(self, agency_id: str) -> SqlUnitParts:
        return SqlUnitParts(self._tx, self._scope(agency_id))

    def profile_of(self, agency_id: str) -> SqlAgencyProfile:
        return SqlAgencyProfile(self._tx, self._scope(agency_id))

    async def tell_agency(
        self, agency_id: str, kind: EventKind, subject_id: str, at: datetime, data: Mapping[str, object]
    ) -> None:
        """Write an event to that agency's own sequence."""
        await SqlEvents(self._tx, self._scope(agency_id), self._clock).append(kind, subject_id, at, data)

    def _scope(self, agency_id: str) -> AgencyScope:
        return AgencyScope(agency_id=agency_id, principal_id=self._principal_id)

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

    @asynccontextmanager
    async def read_few(self) -> AsyncIterator[AccountWork]:
        """Open as `read`, for few rows by their keys: what every page asks first."""
        async with self._store.viewing_few() as tx:
            yield AccountWork(tx, self._clock, "")
