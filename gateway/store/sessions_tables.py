"""The rows around signing in: sessions, tries that failed, passwords of before, recovery codes. All of them belong to the
node; none holds a secret that could be used."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import ForeignKeyConstraint, Index, Text, UniqueConstraint
from sqlmodel import Field

from gateway.store.columns import Moment
from gateway.store.row import Row


class SessionRow(Row, table=True):
    """`digest` is the SHA-256 of what the browser holds; `id` names the session to people."""

    __tablename__ = "session"
    __table_args__ = (
        ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_session_person"),
        ForeignKeyConstraint(["agency_id"], ["hosted_agency.id"], name="fk_session_agency"),
        UniqueConstraint("id", name="uq_session_id"),
        Index("ix_session_person", "person_id", "ended_at"),
        Index("ix_session_ends", "ends_at"),
    )

    digest: str = Field(primary_key=True)
    id: str
    person_id: str
    agency_id: str | None = None
    factor: str
    began_at: datetime = Field(sa_type=Moment)
    seen_at: datetime = Field(sa_type=Moment)
    ends_at: datetime = Field(sa_type=Moment)
    address: str
    agent: str
    ended_at: datetime | None = Field(default=None, sa_type=Moment)
    ended_why: str | None = None


class SignInTryRow(Row, table=True):
    """`key` is the digest of an address or of a typed name: of a name that nobody has, too."""

    __tablename__ = "sign_in_try"
    __table_args__ = (Index("ix_sign_in_try_last", "last_at"),)

    key: str = Field(primary_key=True)
    failures: int
    last_at: datetime = Field(sa_type=Moment)


class PasswordPastRow(Row, table=True):
    __tablename__ = "password_past"
    __table_args__ = (ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_password_past_person"),)

    person_id: str = Field(primary_key=True)
    at: datetime = Field(primary_key=True, sa_type=Moment)
    hashed: str = Field(sa_type=Text)


class RecoveryCodeRow(Row, table=True):
    __tablename__ = "recovery_code"
    __table_args__ = (ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_recovery_code_person"),)

    person_id: str = Field(primary_key=True)
    digest: str = Field(primary_key=True)
    used_at: datetime | None = Field(default=None, sa_type=Moment)


NAMES: Final = frozenset({"session", "sign_in_try", "password_past", "recovery_code"})
