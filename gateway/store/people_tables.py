"""The rows of persons who decide, of their proposals, and of our keys' ends. All of them belong to the node: trust is one
for all of its agencies."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, Text, UniqueConstraint
from sqlmodel import Field

from gateway.store.columns import Moment
from gateway.store.row import Row


class PersonRow(Row, table=True):
    """`folded` is what nobody else may be called: the sign-in name where there is one, else the name without accents and
    case, for two people who look alike on a screen are one too many."""

    __tablename__ = "person"
    __table_args__ = (
        ForeignKeyConstraint(["id"], ["principal.id"], name="fk_person_principal"),
        UniqueConstraint("folded", name="uq_person_name"),
        Index("uq_person_login", "login", unique=True),
        Index("ix_person_code", "code_digest"),
    )

    id: str = Field(primary_key=True)
    folded: str
    name: str
    roles: str = Field(sa_type=Text)
    added_by: str
    added_at: datetime = Field(sa_type=Moment)
    roles_by: str
    roles_at: datetime = Field(sa_type=Moment)
    enrolled_at: datetime | None = Field(default=None, sa_type=Moment)
    blocked_at: datetime | None = Field(default=None, sa_type=Moment)
    code_digest: str | None = None
    code_until: datetime | None = Field(default=None, sa_type=Moment)
    passphrase_hash: str | None = Field(default=None, sa_type=Text)
    sealed_totp: str | None = Field(default=None, sa_type=Text)
    last_step: int = Field(default=0, sa_type=BigInteger)
    failures: int = 0
    locked_until: datetime | None = Field(default=None, sa_type=Moment)
    login: str | None = None
    title: str | None = None
    email: str | None = None
    standing: str | None = None
    standing_why: str | None = None
    standing_by: str | None = None
    standing_at: datetime | None = Field(default=None, sa_type=Moment)
    password_at: datetime | None = Field(default=None, sa_type=Moment)
    last_login_at: datetime | None = Field(default=None, sa_type=Moment)
    warned_at: datetime | None = Field(default=None, sa_type=Moment)
    must_change: bool | None = None


class ProposalRow(Row, table=True):
    __tablename__ = "proposal"
    __table_args__ = (
        ForeignKeyConstraint(["proposed_by"], ["person.id"], name="fk_proposal_person"),
        Index("ix_proposal_state", "state", "proposed_at", "id"),
    )

    id: str = Field(primary_key=True)
    content: str = Field(sa_type=Text)
    proposed_by: str
    proposed_at: datetime = Field(sa_type=Moment)
    expires_at: datetime = Field(sa_type=Moment)
    reason: str = Field(sa_type=Text)
    state: str
    decided_by: str | None = None
    decided_at: datetime | None = Field(default=None, sa_type=Moment)


class KeyEndRow(Row, table=True):
    """From `at` on a certificate of ours signs nothing, in every process that shares this database."""

    __tablename__ = "key_end"

    agency_code: str = Field(primary_key=True)
    fingerprint: str = Field(primary_key=True)
    key_id: str
    at: datetime = Field(sa_type=Moment)
    stolen_since: datetime | None = Field(default=None, sa_type=Moment)
    by_principal: str


class KeyNoticeRow(Row, table=True):
    """That a certificate's end was told of, so many days before; once by whichever process comes first."""

    __tablename__ = "key_notice"

    fingerprint: str = Field(primary_key=True)
    days: int = Field(primary_key=True)
    at: datetime = Field(sa_type=Moment)


NAMES: Final = frozenset({"person", "proposal", "key_end", "key_notice"})
