"""The rows of who is hosted here and who may act: agencies, principals, API keys. Tables of the node itself, except
the one that says which agency a key serves."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKeyConstraint, Text, UniqueConstraint
from sqlmodel import Field

from gateway.store.columns import Moment
from gateway.store.row import Row


class HostedAgencyRow(Row, table=True):
    __tablename__ = "hosted_agency"
    __table_args__ = (UniqueConstraint("code", name="uq_hosted_agency_code"),)

    id: str = Field(primary_key=True)
    code: str
    body: str = Field(sa_type=Text)


class PrincipalRow(Row, table=True):
    """`owner` is the agency's id, or empty for a principal of the node: an empty text is unique, a NULL is not."""

    __tablename__ = "principal"
    __table_args__ = (UniqueConstraint("kind", "name", "owner", name="uq_principal_name"),)

    id: str = Field(primary_key=True)
    kind: str
    name: str
    owner: str = ""


class ApiKeyRow(Row, table=True):
    __tablename__ = "api_key"
    __table_args__ = (
        UniqueConstraint("secret_hash", name="uq_api_key_secret"),
        ForeignKeyConstraint(["principal_id"], ["principal.id"], name="fk_api_key_principal"),
    )

    id: str = Field(primary_key=True)
    principal_id: str
    scopes: str
    secret_hash: str
    created_at: datetime = Field(sa_type=Moment)
    expires_at: datetime | None = Field(default=None, sa_type=Moment)
    revoked_at: datetime | None = Field(default=None, sa_type=Moment)
    prefix: str = ""
    used_at: datetime | None = Field(default=None, sa_type=Moment)
    networks: str = Field(default="[]", sa_type=Text)


class ApiKeyAgencyRow(Row, table=True):
    __tablename__ = "api_key_agency"
    __table_args__ = (
        ForeignKeyConstraint(["agency_id"], ["hosted_agency.id"], name="fk_api_key_agency_agency"),
        ForeignKeyConstraint(["key_id"], ["api_key.id"], name="fk_api_key_agency_key"),
    )

    agency_id: str = Field(primary_key=True)
    key_id: str = Field(primary_key=True)
