"""The rows of the registry feed: the list in force, what was refused, and certificates that were proposed. They stand in
the registry's metadata: they belong to the node, never to one agency."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, DateTime, Index, Table, Text
from sqlmodel import Field

from gateway.registry.tables import METADATA, RegistryModel

IN_FORCE = "feed"  # the key of the one row: a node follows one issuer


class FeedRow(RegistryModel, table=True):
    """The feed in force; its number only ever grows."""

    __tablename__ = "registry_feed"

    id: str = Field(primary_key=True)
    issuer: str
    sequence: int = Field(sa_type=BigInteger)
    digest: str
    kind: str
    made_at: datetime = Field(sa_type=DateTime(timezone=True))
    applied_at: datetime = Field(sa_type=DateTime(timezone=True))
    by_principal: str
    change_id: str


class FeedRefusalRow(RegistryModel, table=True):
    """One feed that was not taken. Issuer and number are as it says itself: perhaps nobody vouches for them."""

    __tablename__ = "registry_feed_refusal"
    __table_args__ = (Index("ix_registry_feed_refusal_at", "at", "id"),)

    id: str = Field(primary_key=True)
    at: datetime = Field(sa_type=DateTime(timezone=True))
    code: str
    reason: str = Field(sa_type=Text)
    issuer: str | None = None
    sequence: int | None = Field(default=None, sa_type=BigInteger)
    by_principal: str


class FeedProposalRow(RegistryModel, table=True):
    """A certificate that a feed proposes for a code; open until two people bind it (K6)."""

    __tablename__ = "registry_feed_proposal"

    code: str = Field(primary_key=True)
    fingerprint: str = Field(primary_key=True)
    certificate_pem: str = Field(sa_type=Text)
    valid_from: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    valid_to: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    issuer: str
    sequence: int = Field(sa_type=BigInteger)
    at: datetime = Field(sa_type=DateTime(timezone=True))


def feed_table() -> Table:
    return METADATA.tables["registry_feed"]


def refusal_table() -> Table:
    return METADATA.tables["registry_feed_refusal"]


def proposal_table() -> Table:
    return METADATA.tables["registry_feed_proposal"]
