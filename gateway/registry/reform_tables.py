"""The rows of dated changes: the reforms, the codes that each touches, and what the registry believed of a code before.
They stand in the registry's metadata: they belong to the node, never to one agency.

The present belief about a code is its `agency` row, which is its last period, and the open rows of `agency_period`, which
are its earlier ones: until that day it had another name or parent. A row that is closed (`believed_to`) is what was
believed before; one without `until` was the code's `agency` row then."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import DateTime, ForeignKeyConstraint, Index, Table, Text
from sqlmodel import Field

from gateway.registry.tables import CODE_TYPE, DEFAULT_SCHEME, FOLDED_TYPE, METADATA, RegistryModel


class ReformRow(RegistryModel, table=True):
    """One approved reform; undone ones stay."""

    __tablename__ = "registry_reform"
    __table_args__ = (Index("ix_registry_reform_effective", "effective_on", "id"),)

    id: str = Field(primary_key=True)
    kind: str
    effective_on: date
    state: str
    content: str = Field(sa_type=Text)
    lives_before: str = Field(sa_type=Text)
    lives_after: str = Field(sa_type=Text)
    proposed_by: str
    approved_by: str
    approved_at: datetime = Field(sa_type=DateTime(timezone=True))
    undone_by: str | None = None
    undone_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    undone_why: str | None = Field(default=None, sa_type=Text)
    reported_by: str | None = None
    reported_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    reported_how: str | None = Field(default=None, sa_type=Text)


class ReformCodeRow(RegistryModel, table=True):
    """One code that a reform ends, begins, changes or names."""

    __tablename__ = "registry_reform_code"
    __table_args__ = (
        ForeignKeyConstraint(["reform_id"], ["registry_reform.id"], name="fk_registry_reform_code"),
        Index("ix_registry_reform_code", "code", "part"),
    )

    reform_id: str = Field(primary_key=True)
    code: str = Field(primary_key=True, sa_type=CODE_TYPE)
    part: str


class PeriodRow(RegistryModel, table=True):
    """What was believed of one code: an earlier period of it, or its whole row."""

    __tablename__ = "agency_period"
    __table_args__ = (
        Index("ix_agency_period_code", "code", "believed_to"),
        Index("ix_agency_period_folded", "folded"),
    )

    id: str = Field(primary_key=True)
    code: str = Field(sa_type=CODE_TYPE)
    until: date | None = None
    alias: str | None = Field(default=None, sa_type=CODE_TYPE)
    name: str
    folded: str = Field(sa_type=FOLDED_TYPE)
    parent: str | None = Field(default=None, sa_type=CODE_TYPE)
    valid_from: date | None = None
    valid_to: date | None = None
    successor: str | None = None
    source: str
    email: str | None = None
    address: str | None = None
    phone: str | None = None
    check_note: str | None = None
    scheme: str = DEFAULT_SCHEME
    decision: str | None = None
    host: str | None = None
    believed_from: datetime = Field(sa_type=DateTime(timezone=True))
    believed_to: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    change_id: str


def reform_table() -> Table:
    return METADATA.tables["registry_reform"]


def reform_code_table() -> Table:
    return METADATA.tables["registry_reform_code"]


def period_table() -> Table:
    return METADATA.tables["agency_period"]
