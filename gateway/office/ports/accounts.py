"""The promises behind accounts: sessions, failed tries, passwords of before, posts, delegations and mailboxes; and one unit
of work in which they change together with their events, or not at all."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from gateway.domain.event import EventKind
from gateway.domain.person import Person
from gateway.office.domain.roles import Delegation, Mailbox, Post, PostRole
from gateway.office.domain.session import Ended, FailedTries, Session
from gateway.ports.deciding import NodeEvents, People


class Sessions(Protocol):
    """Sessions of every person, found by the digest of what a browser holds."""

    async def add(self, session: Session) -> None: ...

    async def find(self, digest: str) -> Session | None:
        """Ended ones too. In a writing unit of work it stays as answered until that ends."""

    async def get(self, id: str) -> Session:
        """NotFound when there is none."""

    async def touch(self, digest: str, at: datetime) -> None:
        """It was used then; a later use stays."""

    async def renew(self, digest: str, renewed: Session) -> bool:
        """The session goes on as `renewed`, whose digest is another: the old one finds nothing any more. False when it was
        over, or renewed before."""

    async def end(self, digest: str, at: datetime, why: Ended) -> bool:
        """False when it was over before."""

    async def end_all(
        self, person_id: str, at: datetime, why: Ended, but: str | None = None
    ) -> Sequence[str]:
        """The ids of those that ended now; `but` is a digest that goes on."""

    async def open_of(self, person_id: str) -> Sequence[Session]:
        """Not ended by anybody, newest first; whether the clock ended them is the asker's to say."""

    async def sweep(self, before: datetime) -> int:
        """Removes those that were over by then; how many."""


class Tries(Protocol):
    """Failures to sign in, by the digest of a typed name or an address."""

    async def of(self, key: str) -> FailedTries:
        """In a writing unit of work nobody else counts under that key until it ends."""

    async def save(self, key: str, tries: FailedTries) -> None:
        """Nothing is kept of no failures."""

    async def sweep(self, before: datetime) -> int: ...


class PastSecrets(Protocol):
    """Hashes of passwords of before, and one-time codes that stand for a lost second factor."""

    async def passwords(self, person_id: str, limit: int) -> Sequence[str]:
        """Newest first."""

    async def remember(self, person_id: str, hashed: str, at: datetime, keep: int) -> None:
        """Keeps the newest ones alone."""

    async def put_codes(self, person_id: str, digests: Collection[str]) -> None:
        """These and no others from now on."""

    async def use_code(self, person_id: str, digest: str, at: datetime) -> bool:
        """False when it is none, or was used before: it is good for one time."""

    async def codes_left(self, person_id: str) -> int: ...


class Posts(Protocol):
    async def give(self, post: Post) -> None:
        """The same post again replaces unit and term."""

    async def take(self, person_id: str, agency_id: str, role: PostRole) -> bool:
        """False when the person did not have it."""

    async def of(self, person_ids: Collection[str]) -> Sequence[Post]:
        """By person, agency and role, those that are over too."""

    async def in_agency(self, agency_id: str) -> Sequence[Post]: ...

    async def all(self) -> Sequence[Post]: ...


class Delegations(Protocol):
    async def add(self, delegation: Delegation) -> None: ...

    async def get(self, agency_id: str, id: str) -> Delegation:
        """NotFound when that agency has none. In a writing unit of work it stays as answered until that ends."""

    async def save(self, delegation: Delegation) -> None: ...

    async def to(self, person_id: str, at: datetime) -> Sequence[Delegation]:
        """Those that are not over by then, whether agreed or not."""

    async def listed(self, agency_id: str, limit: int) -> Sequence[Delegation]:
        """Newest first."""


class Mailboxes(Protocol):
    async def add(self, mailbox: Mailbox) -> None:
        """Clash when the node has one of that name."""

    async def find(self, name: str) -> Mailbox | None: ...

    async def listed(self, agency_id: str) -> Sequence[Mailbox]: ...

    async def close(self, agency_id: str, name: str, at: datetime) -> None:
        """NotFound when there is none."""


class AccountWork(Protocol):
    """One unit of work, acted in by one principal: everything becomes visible together at `commit`, or not at all."""

    @property
    def people(self) -> People: ...

    @property
    def sessions(self) -> Sessions: ...

    @property
    def tries(self) -> Tries: ...

    @property
    def past(self) -> PastSecrets: ...

    @property
    def posts(self) -> Posts: ...

    @property
    def delegations(self) -> Delegations: ...

    @property
    def mailboxes(self) -> Mailboxes: ...

    @property
    def events(self) -> NodeEvents: ...

    async def with_code(self, digest: str) -> Person | None:
        """Whose one-time code it is."""

    async def agency_codes(self) -> Mapping[str, str]:
        """Every hosted agency's code, by its id; those that left are not among them."""

    async def tell_agency(
        self, agency_id: str, kind: EventKind, subject_id: str, at: datetime, data: Mapping[str, object]
    ) -> None:
        """An event of that agency, in its own sequence."""

    async def commit(self) -> None: ...


class Accounts(Protocol):
    def begin(self, principal_id: str) -> AbstractAsyncContextManager[AccountWork]: ...

    def read(self) -> AbstractAsyncContextManager[AccountWork]: ...
