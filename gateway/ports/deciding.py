"""The promises behind what persons decide: who they are, what they propose, which certificates speak for which codes,
imports of codes and reforms of the registry, and one unit of work in which all of it changes together or not at
all."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol

from gateway.domain.certificates import KeyEnd
from gateway.domain.event import Event, EventKind
from gateway.domain.person import Credentials, Person, Proposal, ProposalState
from gateway.domain.registry_change import ImportRecord, Life, Plan
from gateway.domain.registry_reform import Reform, ReformRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltOnImport:
    """What stands on an import: each field names what would lose its ground were it undone."""

    begun: Sequence[str] = ()
    """Codes that came with it."""
    changed: Sequence[str] = ()
    """Codes of it that are not as it wrote them, or could not stand as they were."""
    reforms: Sequence[str] = ()
    rows: Sequence[str] = ()
    certificates: Sequence[str] = ()


class Imports(Protocol):
    async def alone(self) -> None:
        """Nobody else changes the registry until the unit of work ends."""

    async def plan(self, csv_bytes: bytes, today: date) -> Plan:
        """What the file would do to the registry as it is now."""

    async def apply(self, plan: Plan, id: str, by: str, at: datetime) -> None:
        """The rows are as the plan says, and the change is kept under that id. Clash when the plan has problems."""

    async def get(self, id: str) -> ImportRecord:
        """NotFound when no import of that id was applied."""

    async def lines(self, id: str) -> Mapping[str, tuple[Mapping[str, str], Mapping[str, str]]]:
        """Of each code that it changed what stood there before and what stands there now, field by field."""

    async def built_on(self, id: str) -> BuiltOnImport: ...

    async def undo(self, id: str, by: str, at: datetime) -> None:
        """Every row is as before; what was believed is kept. Clash when it is undone already, or cannot be so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AroundReform:
    """What the registry knows around a reform: see `policy.reform_words.RegistryView`."""

    lives: Mapping[str, Life]
    aliases: Mapping[str, str] = field(default_factory=dict)
    below: Mapping[str, Sequence[str]] = field(default_factory=dict)
    same_name: Mapping[str, str] = field(default_factory=dict)
    certificates: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CodesInUse:
    """What lies under codes on this node: our mail to them that has not left, documents that are open, agencies hosted."""

    queued: Mapping[str, int] = field(default_factory=dict)
    open_documents: Mapping[str, int] = field(default_factory=dict)
    hosted: frozenset[str] = frozenset()
    exchanged: tuple[str, ...] = ()
    """Those of the codes under which any document came or went."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaning:
    """What stands on a reform, and the lives around its codes now."""

    lives: Mapping[str, Life]
    reforms: Sequence[str] = ()
    rows: Sequence[str] = ()
    certificates: Sequence[str] = ()


class Reforms(Protocol):
    async def around(self, reform: Reform) -> AroundReform: ...

    async def alone(self) -> None:
        """Nobody else changes the registry until the unit of work ends."""

    async def apply(
        self, record: ReformRecord, before: Mapping[str, Life | None], after: Mapping[str, Life]
    ) -> None:
        """The lives are as `after`, and the reform is kept with both. Certificates are never touched (K6)."""

    async def get(self, id: str) -> ReformRecord:
        """NotFound when none of that id was approved."""

    async def lives_of(self, id: str) -> tuple[Mapping[str, Life | None], Mapping[str, Life | None]]:
        """Before and after, as they were written."""

    async def listed(self, limit: int, code: str | None = None) -> Sequence[ReformRecord]:
        """Latest to take effect first; with a code those that touch or name it."""

    async def unreported(self, on: date, limit: int) -> Sequence[ReformRecord]:
        """Those in effect on that day that nobody has reported yet."""

    async def leaning_on(self, id: str) -> Leaning: ...

    async def undo(self, id: str, by: str, at: datetime, why: str) -> None:
        """The lives are as before. Clash when it is undone already."""

    async def report(self, id: str, by: str, at: datetime, how: str) -> None:
        """The duty of R80 is done. Clash when it was before."""


class CodeUses(Protocol):
    """Asks the rows of documents."""

    async def of(self, codes: Sequence[str]) -> CodesInUse: ...


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


class DecisionUnit(Protocol):
    """One unit of work, acted in by one principal: everything becomes visible together at `commit`, or not at all."""

    people: People
    proposals: Proposals
    bindings: Bindings
    reforms: Reforms
    imports: Imports
    waits: CodeUses
    key_ends: KeyEnds
    events: NodeEvents

    async def commit(self) -> None: ...


class Decisions(Protocol):
    def begin(self, principal_id: str) -> AbstractAsyncContextManager[DecisionUnit]: ...

    def read(self) -> AbstractAsyncContextManager[DecisionUnit]: ...


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
