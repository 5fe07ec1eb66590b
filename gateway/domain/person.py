"""Persons, and the changes of trust that one of them proposes and another approves (K6, two people): identity, roles,
state of accounts, credentials. Frozen values, pure; the rules about them are in `policy.two_people` and
`office.policy.signing_in`.

A person is a principal of the node, never a program; rights in an agency come from the person's posts. The approval
covers the digest of the whole proposal, so that no part of it can be exchanged in between."""

from __future__ import annotations

import base64
import hashlib
import json
import unicodedata
import zlib
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, date, datetime
from enum import StrEnum

from gateway.domain.certificates import CertificateText
from gateway.domain.delegated import EXCHANGE
from gateway.domain.registry_reform import Reform
from gateway.domain.seals import SealChange, SealingRightChange

_IN_NAMES = frozenset(" .,'\u2019()-")
DIGITS = 16
LONGEST_IMPORT = 64 * 1024 * 1024


def is_name(text: str) -> bool:
    """Tell whether a text may be a person's name: letters of any language, the usual separators, and digits that tell two
    persons of one name apart, but no characters with a meaning for programs."""
    return any(map(str.isalpha, text)) and all(
        sign in _IN_NAMES or sign.isdigit() or unicodedata.category(sign)[0] in "LM" for sign in text
    )


class Role(StrEnum):
    """Role of a person in decisions about the node. A person has any number of them."""

    TRUST = "trust"
    """Proposes and approves what this node trusts: certificates of agencies, anchors."""
    PEOPLE = "people"
    """Adds persons, gives and takes roles."""
    HEAD = "head"
    """Decides on documents in the sealed hold."""


class AccountStanding(StrEnum):
    """State of an account (R89, locking; R90, withdrawal)."""

    ACTIVE = "active"
    LOCKED = "locked"
    SUSPENDED = "suspended"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Person who uses or decides about the node. `roles_at` is when `roles_by` last gave the roles or the means of
    signing in. `login` is the sign-in name on the pages, by default the name. `standing_why` is a text of a person, or a
    word such as `idle`."""

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
        """True for a person with a password or passphrase, who is neither blocked, locked, suspended nor withdrawn."""
        return (
            self.enrolled_at is not None
            and self.blocked_at is None
            and self.standing is AccountStanding.ACTIVE
        )

    @property
    def used_at(self) -> datetime:
        """Time of the last sign-in; for an unused account, of its creation."""
        return self.last_login_at or self.added_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Stored credentials of a person, from which no secret can be read. `code_digest` is that of the one-time code for
    enrolling; `sealed_totp` opens with the passphrase alone; `last_step` is the last second factor that was used."""

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
    """Person who has just proved passphrase and second factor. Only `deciding.people` makes this value."""

    person: Person
    at: datetime


class ProposalState(StrEnum):
    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class BindingChange(CertificateText):
    """Change that binds a certificate to a code. Earlier certificates of the code, by SHA-256, end at `earlier_end`."""

    code: str
    certificate: str
    """DER in Base64, since the whole proposal is stored as text."""
    valid_from: datetime
    valid_to: datetime
    earlier: tuple[str, ...] = ()
    earlier_end: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorChange(CertificateText):
    """Change that adds a root certificate, under which certificates of agencies are trusted."""

    certificate: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportChange:
    """Change of known agencies by a file of codes. `effect` is the effect of its plan: the proposal is void where a
    changed registry would give the file another one."""

    name: str
    number: str
    """Number of the document that decided it, which the approver types from the document itself."""
    content: str
    """The file as the registry reads it, compressed, in Base64, since the whole proposal is stored as text."""
    effect: str
    added: int
    changed: int
    closed: int

    @property
    def file(self) -> bytes:
        """Content of the file, cut off at the size limit."""
        return zlib.decompressobj().decompress(base64.b64decode(self.content), LONGEST_IMPORT)


@dataclass(frozen=True, slots=True, kw_only=True)
class DelegationChange:
    """Change that lets an issuer's lists bind certificates here, within limits, where two of the named officers signed
    them (`domain.delegated.TrustPolicy`)."""

    issuer: str
    officers: tuple[str, ...]
    """Certificates in DER, in Base64."""
    codes: tuple[str, ...]
    most_per_day: int
    most_share: int
    wait_hours: int

    @property
    def officers_der(self) -> tuple[bytes, ...]:
        return tuple(base64.b64decode(officer) for officer in self.officers)

    @property
    def fingerprints(self) -> tuple[str, ...]:
        return tuple(hashlib.sha256(der).hexdigest() for der in self.officers_der)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListChange:
    """Change that puts rows of one kind of an issuer's list in force at once: its certificates, or what it changes in who
    speaks for codes. The approver types the end of `trust`, the digest of these certificates or of the whole list, as the
    issuer told it. `effect` is the digest of what comes into force: the proposal is
    void where a changed registry would give the list another effect."""

    issuer: str
    sequence: int
    trust: str
    effect: str
    bound: int
    ended: int
    conflicts: int
    kind: str = EXCHANGE


class RightsAct(StrEnum):
    GIVE = "give"
    TAKE = "take"
    SETTING = "setting"
    """The agency wants no second person any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RightsChange:
    """Change of a person's post in an agency, which a second administrator confirms (R122). `before` is a digest of the
    account as it was: the proposal is void where the account changed since."""

    act: str
    agency_id: str
    person_id: str = ""
    role: str = ""
    unit: str = ""
    until: datetime | None = None
    before: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalContent:
    """Changes of a proposal, which take effect together."""

    bindings: tuple[BindingChange, ...] = ()
    anchors: tuple[AnchorChange, ...] = ()
    reforms: tuple[Reform, ...] = ()
    imports: tuple[ImportChange, ...] = ()
    delegations: tuple[DelegationChange, ...] = ()
    lists: tuple[ListChange, ...] = ()
    seals: tuple[SealChange, ...] = ()
    sealing_rights: tuple[SealingRightChange, ...] = ()
    rights: tuple[RightsChange, ...] = ()

    @property
    def agency_id(self) -> str | None:
        """Agency whose administrators decide; None for a proposal about what this node trusts."""
        return self.rights[0].agency_id if self.rights else None

    @property
    def changes(
        self,
    ) -> tuple[
        BindingChange
        | AnchorChange
        | SealChange
        | Reform
        | ImportChange
        | SealingRightChange
        | DelegationChange
        | ListChange,
        ...,
    ]:
        """All changes, in the order in which people review them."""
        return (
            *self.certificates,
            *self.reforms,
            *self.imports,
            *self.sealing_rights,
            *self.delegations,
            *self.lists,
        )

    @property
    def certificates(self) -> tuple[BindingChange | AnchorChange | SealChange, ...]:
        """All changes about a certificate, whose fingerprint the approver compares."""
        return (*self.bindings, *self.anchors, *self.seals)

    @property
    def sealing_codes(self) -> tuple[str, ...]:
        """Codes about whose seals, persons or rights to seal the proposal is."""
        return tuple(sorted({c.code for c in self.seals} | {c.code for c in self.sealing_rights}))

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """Fingerprint of every certificate, in order, for the approver to compare."""
        return tuple(change.fingerprint for change in self.certificates)

    @property
    def expected(self) -> tuple[str, ...]:
        """Texts that the approver has to type: the end of each fingerprint; the number of the deciding document of each
        reform, import or right to seal, from the document itself; the ends of each officer's fingerprint and of each list's
        digest."""
        ends = [c[-DIGITS:] for c in self.fingerprints]
        numbers = [c.decision.number for c in self.reforms] + [c.number for c in self.imports]
        numbers += [c.act_number for c in self.sealing_rights]
        officers = [c[-DIGITS:] for change in self.delegations for c in change.fingerprints]
        digests = [change.trust[-DIGITS:] for change in self.lists]
        return (*ends, *(as_typed(c) for c in numbers), *officers, *digests)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """Proposal, from its making to its end."""

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
        """Ids of the proposer and of the person who decided."""
        return frozenset(filter(None, (self.proposed_by, self.decided_by)))

    @property
    def digest(self) -> str:
        """SHA-256 of the proposal without its outcome."""
        content = _to_json(self.content)
        for field_name in ("reforms", "imports", "delegations", "lists", "seals", "sealing_rights", "rights"):
            if isinstance(content, dict) and not content[field_name]:
                del content[field_name]  # digests of proposals older than these fields must not change
        for reform in content.get("reforms", ()) if isinstance(content, dict) else ():
            if not reform["steps"]:
                del reform["steps"]  # likewise for reforms without steps
        for listed in content.get("lists", ()) if isinstance(content, dict) else ():
            if listed["kind"] == EXCHANGE:
                del listed["kind"]  # likewise for lists of certificates
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
    """Return a typed text without spaces, colons and letter case, for comparison."""
    return "".join(text.replace(":", " ").split()).lower()


def _to_json(value: object) -> object:
    """Convert a value to JSON values in one form, so that it has the same text before and after a database."""
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
