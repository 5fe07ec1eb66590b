"""Persons, and the changes of trust that one of them proposes and another one approves (K6): identity, roles in matters of
trust, standing of accounts, credentials. Frozen values; the rules about them are in `policy.two_people`,
`office.policy.signing_in`. Pure.

A person is a principal of the node, never a program; its rights in an agency stand in its posts. The approval covers the
digest of the whole proposal, so that nothing in it can be exchanged in between."""

from __future__ import annotations

import base64
import hashlib
import json
import unicodedata
import zlib
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, date, datetime
from enum import StrEnum

from gateway.domain.registry_reform import Reform

_IN_NAMES = frozenset(" .,'\u2019()-")


def is_name(text: str) -> bool:
    """Tell whether a text is a person's name: letters of any language, their usual separators, and digits that tell two of
    one name apart. Signs of programs are no names."""
    return any(map(str.isalpha, text)) and all(
        sign in _IN_NAMES or sign.isdigit() or unicodedata.category(sign)[0] in "LM" for sign in text
    )


class Role(StrEnum):
    """Power of a person to decide. A person has any number of them."""

    TRUST = "trust"
    """Proposes and approves what this node trusts: certificates of agencies, anchors."""
    PEOPLE = "people"
    """Adds persons, gives and takes roles."""
    HEAD = "head"
    """Decides on documents in the sealed hold."""


class AccountStanding(StrEnum):
    """Standing of an account (R89, R90)."""

    ACTIVE = "active"
    LOCKED = "locked"
    SUSPENDED = "suspended"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One person. `roles_at` is when the roles, or the means of signing in, were last given by `roles_by`. `login` is the
    sign-in name of an account of the pages, the name by default. `standing_why` is a person's text, or `idle` and the
    like."""

    id: str
    name: str
    roles: frozenset[Role]
    added_by: str
    added_at: datetime
    roles_by: str
    roles_at: datetime
    enrolled_at: datetime | None = None
    blocked_at: datetime | None = None
    login: str | None = None
    title: str = ""
    email: str | None = None
    standing: AccountStanding = AccountStanding.ACTIVE
    standing_why: str = ""
    standing_by: str | None = None
    standing_at: datetime | None = None
    password_at: datetime | None = None
    last_login_at: datetime | None = None
    warned_at: datetime | None = None
    must_change: bool = False

    @property
    def is_active(self) -> bool:
        """True if it has a password or passphrase of its own, and is neither blocked, locked, suspended nor withdrawn."""
        return (
            self.enrolled_at is not None
            and self.blocked_at is None
            and self.standing is AccountStanding.ACTIVE
        )

    @property
    def used_at(self) -> datetime:
        """Last use of the account; of an unused one, its creation."""
        return self.last_login_at or self.added_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Stored credentials of a person: no secret can be read from them. `code_digest` is of the one-time code that enrols;
    `sealed_totp` opens with the passphrase alone; `last_step` is the last second factor that was used."""

    code_digest: str | None = None
    code_until: datetime | None = None
    passphrase_hash: str | None = None
    sealed_totp: str | None = None
    last_step: int = 0
    failures: int = 0
    locked_until: datetime | None = None

    def __repr__(self) -> str:
        return f"Credentials(enrolled={self.passphrase_hash is not None}, failures={self.failures})"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """A person who has just shown passphrase and second factor. Made by `deciding.people` alone."""

    person: Person
    at: datetime


DIGITS = 16
LONGEST_IMPORT = 64 * 1024 * 1024


class ProposalState(StrEnum):
    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class BindingChange:
    """A certificate that shall speak for a code. Earlier certificates of the code, by SHA-256, end at `earlier_end`."""

    code: str
    certificate: str
    """In DER, in Base64: the whole proposal is kept as text."""
    valid_from: datetime
    valid_to: datetime
    earlier: tuple[str, ...] = ()
    earlier_end: datetime | None = None

    @property
    def certificate_der(self) -> bytes:
        return base64.b64decode(self.certificate)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, as people compare it."""
        return hashlib.sha256(self.certificate_der).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorChange:
    """A root certificate below which certificates of agencies are believed."""

    certificate: str

    @property
    def certificate_der(self) -> bytes:
        return base64.b64decode(self.certificate)

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(self.certificate_der).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportChange:
    """A file of codes that shall change known agencies. `effect` is the effect of its plan: where a changed registry would
    give it another effect, the proposal does not hold."""

    name: str
    number: str
    """Of the document that decided it; the approver types it from the document itself."""
    content: str
    """The file as the registry reads it, compressed, in Base64: the whole proposal is kept as text."""
    effect: str
    added: int
    changed: int
    closed: int

    @property
    def file(self) -> bytes:
        """The file, cut off at the longest allowed size."""
        return zlib.decompressobj().decompress(base64.b64decode(self.content), LONGEST_IMPORT)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalContent:
    """Changes of a proposal, all of them or none."""

    bindings: tuple[BindingChange, ...] = ()
    anchors: tuple[AnchorChange, ...] = ()
    reforms: tuple[Reform, ...] = ()
    imports: tuple[ImportChange, ...] = ()

    @property
    def changes(self) -> tuple[BindingChange | AnchorChange | Reform | ImportChange, ...]:
        """All of them, in the order in which people go through them."""
        return (*self.bindings, *self.anchors, *self.reforms, *self.imports)

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """Fingerprint of every certificate, in order, for the approver to compare."""
        of_bindings = [change.fingerprint for change in self.bindings]
        return (*of_bindings, *(change.fingerprint for change in self.anchors))

    @property
    def expected(self) -> tuple[str, ...]:
        """Texts that the approver types: the end of each fingerprint, and of a reform or an import the number of its
        deciding document, from the document itself."""
        ends = [c[-DIGITS:] for c in self.fingerprints]
        numbers = [c.decision.number for c in self.reforms] + [c.number for c in self.imports]
        return (*ends, *(as_typed(c) for c in numbers))


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """One proposal from its making to its end."""

    id: str
    content: ProposalContent
    proposed_by: str
    proposed_at: datetime
    expires_at: datetime
    reason: str = ""
    state: ProposalState = ProposalState.OPEN
    decided_by: str | None = None
    decided_at: datetime | None = None

    @property
    def people(self) -> frozenset[str]:
        """Proposer and decider."""
        return frozenset(filter(None, (self.proposed_by, self.decided_by)))

    @property
    def digest(self) -> str:
        """SHA-256 over everything in it but its outcome."""
        content = _to_json(self.content)
        for field_name in ("reforms", "imports"):
            if isinstance(content, dict) and not content[field_name]:
                del content[field_name]  # digests of proposals older than these fields must not change
        for reform in content.get("reforms", ()) if isinstance(content, dict) else ():
            if not reform["steps"]:
                del reform["steps"]  # likewise changes of the organisation without steps
        members = {
            "id": self.id,
            "content": content,
            "proposed_by": self.proposed_by,
            "proposed_at": self.proposed_at,
            "expires_at": self.expires_at,
            "reason": self.reason,
        }
        text = json.dumps(_to_json(members), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def as_typed(text: str) -> str:
    """Fold a typed text: spaces, colons and letter case do not count."""
    return "".join(text.replace(":", " ").split()).lower()


def _to_json(value: object) -> object:
    """Convert to JSON of one form: a value has one text, on both sides of a database."""
    match value:
        case dict():
            return {str(key): _to_json(v) for key, v in value.items()}
        case tuple() | list():
            return [_to_json(v) for v in value]
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="microseconds")
        case date():
            return value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _to_json(getattr(value, f.name)) for f in fields(value)}
    return value
