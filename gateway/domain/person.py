"""Persons: who they are, what they may decide about trust, how their account stands, and what they sign in with. Frozen
values; the rules about them are in `policy.two_people`, `office.policy.password_rules`, `office.policy.idle`. A
person is a principal of the node, never a program; what it may do in an agency stands in its posts."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

_IN_NAMES = frozenset(" .,'\u2019()-")


def is_name(text: str) -> bool:
    """Whether a person may be called so: letters of any language, with what stands between them, and digits that tell two
    of one name apart. Signs of programs are no names."""
    return any(map(str.isalpha, text)) and all(
        sign in _IN_NAMES or sign.isdigit() or unicodedata.category(sign)[0] in "LM" for sign in text
    )


class Role(StrEnum):
    """What a person may decide. A person has any number of them."""

    TRUST = "trust"
    """Proposes and approves what this node trusts: certificates of agencies, anchors."""
    PEOPLE = "people"
    """Adds persons, gives and takes roles."""
    HEAD = "head"
    """Decides on documents in the sealed hold."""


class Standing(StrEnum):
    """How an account stands (R89, R90)."""

    ACTIVE = "active"
    LOCKED = "locked"
    SUSPENDED = "suspended"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One person. `roles_at` is when the roles, or the means of signing in, were last given by `roles_by`. `login` is what
    an account of the pages signs in with; who has none signs in with the name. `standing_why` is what a person wrote, or
    `idle` and the like where none decided."""

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
    standing: Standing = Standing.ACTIVE
    standing_why: str = ""
    standing_by: str | None = None
    standing_at: datetime | None = None
    password_at: datetime | None = None
    last_login_at: datetime | None = None
    warned_at: datetime | None = None
    must_change: bool = False

    @property
    def is_active(self) -> bool:
        """Has a password or passphrase of its own, and was neither blocked, locked, suspended nor withdrawn."""
        return self.enrolled_at is not None and self.blocked_at is None and self.standing is Standing.ACTIVE

    @property
    def used_at(self) -> datetime:
        """When the account was last used; of one that never was, when it was made."""
        return self.last_login_at or self.added_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a person signs in with, as it is kept: no secret can be read from it. `code_digest` is of the one-time code
    that enrols; `sealed_totp` opens with the passphrase alone; `last_step` is the last second factor that was used."""

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
    """A person who has just shown passphrase and second factor. Made by `deciding.sign_in` alone."""

    person: Person
    at: datetime
