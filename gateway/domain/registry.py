"""Agency codes and answers of the directory: codes in their two forms, entries at a date, the resolution of a written
code, recipients as people write them with the offer made for each, saved groups, and the names of nodes. Frozen values.
Pure.

Codes are read and printed in the forms of Decision 20/2020 (root first, `Z91.07.12`) and of QCVN 102 (deepest level
first, `000.12.07.Z91`); `BadCode` explains an invalid one. This module may propose the same unit's code in the other
form, but only the registry's table decides that the two are one unit (R77, old code form); only the all-zero level-1 form
is exact. A node's name becomes part of queue names, a broker's user and a file of secrets, and is compared without letter
case."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Self

from gateway.domain.document import RecipientRole
from gateway.domain.registry_reform import Ending

LONGEST_CODE = 35  # R75
DEFAULT_SCHEME = "VN-GOV"  # R76 (schemes of codes): the scheme of Decision 20/2020
PENDING_SCHEME = (
    "PENDING"  # R79 (no code yet): the code is a provisional sign that names the row and nothing else
)
_NEW = re.compile(r"[A-Z][0-9]{2}(?:\.[A-Z0-9]+)*")
_OLD = re.compile(r"[0-9]{3}\.[0-9]{2}\.[0-9]{2}\.[A-Z][0-9]{2}")
_SHORT = re.compile(r"(?:[0-9]{2}\.){1,2}[A-Z][0-9]{2}")
_STATE_ROOT = re.compile(r"[A-Z][0-9]{2}(?:\.|\Z)")
_OTHER = re.compile(r"[A-Z0-9](?:[A-Z0-9._-]*[A-Z0-9])?")
_SCHEME = re.compile(r"[A-Z][A-Z0-9]*(?:[._-][A-Z0-9]+)*")
_OLD_WIDTHS = (2, 2, 3)  # digits of levels 2, 3 and 4 in the form of QCVN 102
LONGEST_NODE_NAME = 63
_NODE_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
# `sink` and `dead` are names of the axis itself, `guest` is a user that brokers create.
RESERVED_NODE_NAMES = frozenset({"sink", "dead", "guest"})
MOST_MEMBERS = 500


class BadCode(ValueError):
    """The text is not an agency code; the sentence says what was expected and what to do."""


class CodeForm(StrEnum):
    """Form of a code, by the document that defines it; the order of groups is opposite in the two."""

    NEW = "qd20"
    OLD = "qcvn102"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgencyCode:
    """Valid code. `groups` run root first in both forms; `str()` prints the code in its own form."""

    form: CodeForm
    groups: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a code exactly as written: capitals, no spaces. The short old form (`07.Z91`) is completed with zeros."""
        if len(text) > LONGEST_CODE:
            raise BadCode(
                f"agency code of {len(text)} characters: at most {LONGEST_CODE} are allowed; check {text[:50]!r}"
            )
        if _NEW.fullmatch(text):
            return cls(form=CodeForm.NEW, groups=tuple(text.split(".")))
        if _OLD.fullmatch(text) or _SHORT.fullmatch(text):
            groups = tuple(reversed(text.split(".")))
            zeros = tuple("0" * width for width in _OLD_WIDTHS)
            return cls(form=CodeForm.OLD, groups=groups + zeros[len(groups) - 1 :])
        raise BadCode(
            f"{text!r} is not an agency code: expected a letter and two digits, then groups after dots (Z91.07.12),"
            f" or the form of QCVN 102 (000.12.07.Z91){_advice(text)}"
        )

    def __str__(self) -> str:
        if self.form is CodeForm.NEW:
            return ".".join(self.groups)
        return ".".join(reversed(self.groups))

    @property
    def level(self) -> int:
        """Level of the code: 1 for a ministry or province. In the old form, the deepest level without all zeros."""
        if self.form is CodeForm.NEW:
            return len(self.groups)
        return max(n for n, group in enumerate(self.groups, 1) if group.strip("0") or n == 1)

    @property
    def root(self) -> str:
        """Group of level 1: the ministry or province."""
        return self.groups[0]

    @property
    def parent(self) -> AgencyCode | None:
        """Code one level up, in the new form only: old units were renumbered, so the registry's table decides."""
        if self.form is CodeForm.OLD or len(self.groups) == 1:
            return None
        return AgencyCode(form=CodeForm.NEW, groups=self.groups[:-1])

    @property
    def short(self) -> str:
        """Code in the old form without leading groups of zeros, as some systems write it."""
        if self.form is CodeForm.NEW:
            return str(self)
        return ".".join(reversed(self.groups[: self.level]))


def propose_new(old: AgencyCode) -> AgencyCode | None:
    """Propose the new code of an old one by the usual rule. Only exact for level 1: units were renumbered, so the
    registry's table decides. None where there are zeros between the levels, which the rule does not explain."""
    if old.form is not CodeForm.OLD:
        return None
    used = old.groups[: old.level]
    if not all(group.strip("0") for group in used[1:]):
        return None
    return AgencyCode(form=CodeForm.NEW, groups=used)


def other_code_fault(code: str) -> str | None:
    """Describe the fault of a code of another scheme; None for a usable one. It must not look like a code of Decision
    20/2020, nor stand below one by its dots, because envelopes, routes and searches name a code without its scheme."""
    if len(code) > LONGEST_CODE or not _OTHER.fullmatch(code):
        return (
            "a code of another scheme has capital letters, digits and . _ - between them,"
            f" at most {LONGEST_CODE} characters"
        )
    if _STATE_ROOT.match(code) or _OLD.fullmatch(code) or _SHORT.fullmatch(code):
        return (
            "this would be taken for a code of Decision 20/2020; correct the code, or leave the scheme empty"
        )
    return None


def scheme_fault(scheme: str) -> str | None:
    """Describe the fault of a scheme's own code; None for a usable one."""
    if len(scheme) > LONGEST_CODE or not _SCHEME.fullmatch(scheme):
        return f"a scheme is named by capital letters and digits, at most {LONGEST_CODE} characters"
    return None


def fold_code(text: str) -> str:
    """Return the key for comparing codes in search, routing and display: trimmed, without letter case."""
    return text.strip().casefold()


def _advice(text: str) -> str:
    trimmed = text.strip().upper()
    if trimmed != text and (_NEW.fullmatch(trimmed) or _OLD.fullmatch(trimmed)):
        return f"; write it as {trimmed}"
    return ""


def node_name_fault(name: str) -> str | None:
    """Describe the fault of a node's name with the correct form; None for a usable name."""
    if len(name) > LONGEST_NODE_NAME or not _NODE_NAME.fullmatch(name) or ".." in name:
        return f"a node's name has letters, digits and . _ - between them, at most {LONGEST_NODE_NAME} characters"
    if name.casefold() in RESERVED_NODE_NAMES:
        return f"no node may be called {name}: the broker uses that name itself"
    return None


def parse_node_name(text: str) -> str:
    """Return the name of a node; ValueError for a text that cannot be one."""
    if (fault := node_name_fault(text)) is not None:
        raise ValueError(fault)
    return text


class RowSource(StrEnum):
    """Source of a registry row. Starter rows only warn; the others may refuse and redirect (R48)."""

    STARTER = "starter"
    IMPORTED = "imported"
    SYNCED = "synced"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgencyColumns:
    """Columns of an agency in the order of a file of codes."""

    code: str
    name: str
    alias: str | None = None
    parent: str | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    successor: str | None = None
    email: str | None = None
    address: str | None = None
    phone: str | None = None
    decision: str | None = None
    """Document that gave the code or ended it."""
    host: str | None = None
    """Node that hosts this code on the axis, if the registry states it."""
    contact: str | None = None
    """Name of the person to call there."""
    next_host: str | None = None
    next_host_from: date | None = None
    """Day from which `next_host` hosts the code; no node: none does from that day on."""
    scheme: str = DEFAULT_SCHEME


@dataclass(frozen=True, slots=True, kw_only=True)
class AgencyEntry(AgencyColumns):
    """Registry entry of an agency at a date."""

    source: RowSource = RowSource.IMPORTED
    check: str | None = None

    @property
    def is_of_other_scheme(self) -> bool:
        """Tell whether the code is none of Decision 20/2020: its dots tell no level and no parent."""
        return self.scheme != DEFAULT_SCHEME and not self.has_no_code

    @property
    def has_no_code(self) -> bool:
        """Tell whether the body waits for its code, and so cannot be addressed."""
        return self.scheme == PENDING_SCHEME

    def host_on(self, on: date) -> str | None:
        """Return the node that hosts the code on that day."""
        has_moved = self.next_host_from is not None and self.next_host_from <= on
        return self.next_host if has_moved else self.host


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """Revision of an entry, counted from 1, with the time when it began."""

    number: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosting:
    """Node that hosts a code on the axis on a day; `alias` is the code's older form, which has the same host."""

    node: str
    code: str
    alias: str | None = None


class CodeStanding(StrEnum):
    """Result of resolving a written code."""

    ACTIVE = "active"
    MAPPED = "mapped"
    CLOSED = "closed"
    UNKNOWN = "unknown"
    UNCERTAIN = "uncertain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """Answer of the directory for one code or name. `may_refuse` is False where it rests on starter rows alone."""

    query: str
    standing: CodeStanding
    entry: AgencyEntry | None = None
    mapped_by: str | None = None
    successor: str | None = None
    nearest: str | None = None
    may_refuse: bool = True
    ending: Ending | None = None
    """For a closed code: how it ended, where a reform of this node ended it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgencyFilter:
    """Filter of a list of agencies; an empty field filters nothing. `standing` is active, upcoming, ended or pending;
    `root` the code of a province or ministry; `scheme` that of the codes; `certificate_days`: the last certificate ends
    within so many days."""

    text: str = ""
    level: int | None = None
    root: str = ""
    scheme: str = ""
    standing: str = ""
    certificate_days: int | None = None
    is_unbound: bool = False
    has_no_alias: bool = False
    changed_since: date | None = None


class ItemKind(StrEnum):
    """Kind of an entry in a list of recipients: one agency, many under one name, a reference within the document, a
    person, or the archive."""

    AGENCY = "agency"
    MANY = "many"
    POINTER = "pointer"
    PERSON = "person"
    FILED = "filed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """Entry of a list of recipients. `text` is as written; `name` is to be searched, under `parent` if named."""

    text: str
    kind: ItemKind
    name: str
    parent: str | None = None
    role: RecipientRole | None = None


class OfferKind(StrEnum):
    """Result of looking up an entry. The last six need a person's choice; `pointer`, `filed` and `own` address no
    agency, where `own` is a person or a unit of the agency that writes. `guessed` is a question with its likely answer:
    the first of the agencies is the only match in the writer's own province, or what its kind alone means there."""

    EXACT = "named"
    OLD = "old"
    GROUP = "group"
    POINTER = "pointer"
    FILED = "filed"
    OWN = "own"
    GUESSED = "guessed"
    CLOSED = "closed"
    UNCLEAR = "unclear"
    UNKNOWN = "unknown"
    MANY = "many"
    PERSON = "person"


UNSURE = frozenset(
    {
        OfferKind.GUESSED,
        OfferKind.CLOSED,
        OfferKind.UNCLEAR,
        OfferKind.UNKNOWN,
        OfferKind.MANY,
        OfferKind.PERSON,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Agencies that an entry may mean. If `settled`, `agencies` are its recipients, else candidates to choose from."""

    item: Item
    kind: OfferKind
    agencies: tuple[AgencyEntry, ...] = ()
    group: str | None = None

    @property
    def settled(self) -> bool:
        return self.kind not in UNSURE


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMember:
    """Recipient in a group, by its code; `role` where the group sets one."""

    code: str
    role: RecipientRole | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientGroup:
    """Saved list of recipients, under a name that the agency chose."""

    name: str
    members: tuple[GroupMember, ...]
    saved_by: str
    saved_at: datetime
    version: int = 1
