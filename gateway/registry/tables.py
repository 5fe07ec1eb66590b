"""The rows of the agency-code directory, and their one crossing into the domain. Codes and aliases are kept in
capitals, so that a plain index answers whatever letter case was written; `folded` is the name without accents and
case. The tables stand in a metadata of their own: they belong to the node, never to one agency."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any, ClassVar

from sqlalchemy import DateTime, Index, MetaData, Row, String, Table, Text, UniqueConstraint
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from gateway.domain.registry import AgencyEntry, RowSource

DEFAULT_SCHEME = "VN-GOV"  # R76
# In the order of its characters on every server: a range of what begins alike is not one in the order of a language.
CODE_TYPE: Any = String().with_variant(String(collation="C"), "postgresql")
FOLDED_TYPE: Any = Text().with_variant(Text(collation="C"), "postgresql")


class RegistryModel(SQLModel, registry=registry()):
    """What all registry tables share."""

    metadata: ClassVar[MetaData] = MetaData()


class AgencyRow(RegistryModel, table=True):
    """One agency code; unique for ever, closed and never deleted (R82)."""

    __tablename__ = "agency"
    __table_args__ = (
        Index("ix_agency_alias", "alias"),
        Index("ix_agency_folded", "folded"),
        Index("ix_agency_parent", "parent", "code"),
        Index("ix_agency_successor", "successor"),
    )

    code: str = Field(primary_key=True, sa_type=CODE_TYPE)
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
    updated_at: datetime = Field(sa_type=DateTime(timezone=True))
    host: str | None = None


class BindingRow(RegistryModel, table=True):
    """One exchange certificate bound to one code by two people (K1, K6)."""

    __tablename__ = "agency_binding"
    __table_args__ = (UniqueConstraint("code", "fingerprint", name="uq_agency_binding_certificate"),)

    id: str = Field(primary_key=True)
    code: str
    fingerprint: str
    certificate_pem: str = Field(sa_type=Text)
    valid_from: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    valid_to: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    state: str
    proposed_by: str
    approved_by: str
    created_at: datetime = Field(sa_type=DateTime(timezone=True))


class ChangeRow(RegistryModel, table=True):
    """One applied change of the registry."""

    __tablename__ = "registry_change"

    id: str = Field(primary_key=True)
    at: datetime = Field(sa_type=DateTime(timezone=True))
    by_principal: str
    source_digest: str
    summary: str = Field(sa_type=Text)


METADATA = RegistryModel.metadata


def agency_table() -> Table:
    return METADATA.tables["agency"]


def binding_table() -> Table:
    return METADATA.tables["agency_binding"]


def change_table() -> Table:
    return METADATA.tables["registry_change"]


def to_entry(row: Row[Any]) -> AgencyEntry:
    """The domain's entry of one full `agency` row."""
    return AgencyEntry(
        code=row.code,
        name=row.name,
        alias=row.alias,
        parent=row.parent,
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        successor=row.successor,
        source=RowSource(row.source),
        email=row.email,
        address=row.address,
        phone=row.phone,
        check=row.check_note,
        host=row.host,
    )


def stored(moment: datetime) -> datetime:
    """As it is kept: SQLite keeps no zone, so every stored time is UTC."""
    return moment.astimezone(UTC)


def aware(moment: datetime) -> datetime:
    """A stored time with its zone again."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
