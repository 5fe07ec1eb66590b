"""The promises behind what persons decide: who they are, what they propose, which certificates speak for which codes, and
one unit of work in which all of it changes together or not at all."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from gateway.domain.event import Event, EventKind
from gateway.domain.key_use import KeyEnd
from gateway.domain.person import Credentials, Person
from gateway.domain.proposal import Proposal, ProposalState
from gateway.ports.imports import Imports
from gateway.ports.reforms import Reforms, Waits


class People(Protocol):
    """Persons and what they sign in with."""

    async def add(self, person: Person, credentials: Credentials) -> None:
        """Clash when somebody has that name, or one that reads the same."""

    async def get(self, id: str) -> Person:
        """NotFound when nobody has that id. In a writing unit of work the person stays as answered until it ends."""

    async def named(self, name: str) -> Person:
        """By name, accents and case ignored, or by the name to sign in with; NotFound when there is none."""

    async def names(self, ids: Collection[str]) -> Mapping[str, str]:
        """The name of each that there is."""

    async def everybody(self) -> Sequence[Person]:
        """By name, blocked ones too."""

    async def save(self, person: Person) -> None: ...

    async def credentials(self, id: str) -> Credentials: ...

    async def save_credentials(self, id: str, credentials: Credentials) -> None: ...

    async def use_step(self, id: str, step: int) -> bool:
        """False when this second factor, or a later one, was used before: it is good for one time."""


class Proposals(Protocol):
    async def add(self, proposal: Proposal) -> None: ...

    async def get(self, id: str) -> Proposal:
        """NotFound when there is none. In a writing unit of work it stays as answered until that ends."""

    async def listed(self, states: Sequence[ProposalState], limit: int) -> Sequence[Proposal]:
        """Newest first; without states all of them."""

    async def close(self, id: str, state: ProposalState, by: str, at: datetime) -> None:
        """Clash when it is not open any more."""


class Bindings(Protocol):
    """Certificates bound to codes, each change told by an event in the same unit of work."""

    async def bind(
        self,
        code: str,
        certificate_der: bytes,
        valid_from: datetime | None,
        valid_to: datetime | None,
        people: tuple[str, str],
        about: Mapping[str, object],
    ) -> None:
        """Clash when it is bound otherwise already, one key would speak for two codes, or too many for one (K1)."""

    async def end(self, code: str, fingerprint: str, at: datetime) -> None:
        """It ends at that moment, or earlier where it ended earlier. NotFound when it is not bound to the code."""

    async def withdraw(self, code: str, fingerprint: str, at: datetime, reason: str) -> None:
        """As `end`, and never again in force."""

    async def any_ever(self) -> bool:
        """Whether any certificate was ever bound here."""


class KeyEnds(Protocol):
    async def put(self, end: KeyEnd) -> None:
        """The earlier of both moments holds where the key has an end already."""

    async def of(self, agency_code: str) -> Sequence[KeyEnd]: ...


class NodeEvents(Protocol):
    """Events of the node itself."""

    async def append(
        self, kind: EventKind, subject_id: str, at: datetime, data: Mapping[str, object] | None = None
    ) -> None: ...

    async def of(self, subject_id: str) -> Sequence[Event]: ...


class Decision(Protocol):
    """One unit of work, acted in by one principal: everything becomes visible together at `commit`, or not at all."""

    @property
    def people(self) -> People: ...

    @property
    def proposals(self) -> Proposals: ...

    @property
    def bindings(self) -> Bindings: ...

    @property
    def reforms(self) -> Reforms: ...

    @property
    def imports(self) -> Imports: ...

    @property
    def waits(self) -> Waits: ...

    @property
    def key_ends(self) -> KeyEnds: ...

    @property
    def events(self) -> NodeEvents: ...

    async def commit(self) -> None: ...


class Decisions(Protocol):
    def begin(self, principal_id: str) -> AbstractAsyncContextManager[Decision]: ...

    def read(self) -> AbstractAsyncContextManager[Decision]: ...


class SignInSecrets(Protocol):
    """Makes and checks what people sign in with. Sync and slow on purpose: call it in the pool."""

    def new_code(self) -> tuple[str, str]:
        """A one-time code to be told to a person, and its digest to be kept."""

    def is_code(self, code: str, digest: str) -> bool: ...

    def code_digest(self, code: str) -> str:
        """What would be kept of that code."""

    def new_totp(self) -> str:
        """The secret of a new second factor, in Base32."""

    def keep(self, passphrase: str, totp: str) -> tuple[str, str]:
        """The hash of the passphrase, and the second factor sealed with it. Clash for a passphrase too easy to guess."""

    def hash(self, password: str) -> str:
        """What is kept of a password that the rules take."""

    def seal(self, password: str, totp: str) -> str:
        """The second factor sealed with the password."""

    def resealed(self, password: str, sealed_totp: str, other: str) -> str | None:
        """The same second factor sealed with another password; None when the first does not open it."""

    def is_passphrase(self, passphrase: str, hashed: str) -> bool: ...

    def step(self, passphrase: str, sealed_totp: str, code: str, at: datetime) -> int | None:
        """Which time step this code belongs to; None when it is none of those around that time."""

    def uri(self, totp: str, name: str) -> str:
        """What an authenticator app reads."""
