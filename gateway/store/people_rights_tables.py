"""The rows of what persons may do where: posts, delegations and mailboxes. A post of the node itself has an empty agency;
delegations and mailboxes belong to one agency each."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import ForeignKeyConstraint, Index, Text
from sqlmodel import Field

from gateway.store.columns import Moment
from gateway.store.row import Row


class PostRow(Row, table=True):
    """`agency_id` is empty for a post of the whole node, which is why it is no foreign key."""

    __tablename__ = "post"
    __table_args__ = (
        ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_post_person"),
        Index("ix_post_agency", "agency_id", "role"),
    )

    person_id: str = Field(primary_key=True)
    agency_id: str = Field(primary_key=True)
    role: str = Field(primary_key=True)
    unit: str = ""
    given_by: str
    given_at: datetime = Field(sa_type=Moment)
    until: datetime | None = Field(default=None, sa_type=Moment)


class DelegationRow(Row, table=True):
    __tablename__ = "delegation"
    __table_args__ = (
        ForeignKeyConstraint(["agency_id"], ["hosted_agency.id"], name="fk_delegation_agency"),
        Index("ix_delegation_to", "to_id", "ends_at"),
        Index("ix_delegation_made", "agency_id", "made_at", "id"),
    )

    agency_id: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    from_id: str
    to_id: str
    made_at: datetime = Field(sa_type=Moment)
    ends_at: datetime = Field(sa_type=Moment)
    body: str = Field(sa_type=Text)


class MailboxRow(Row, table=True):
    """The name of a desk. No two of the node are alike, and no person signs in with one."""

    __tablename__ = "mailbox"
    __table_args__ = (
        ForeignKeyConstraint(["agency_id"], ["hosted_agency.id"], name="fk_mailbox_agency"),
        Index("uq_mailbox_name", "name", unique=True),
    )

    agency_id: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    role: str
    made_by: str
    made_at: datetime = Field(sa_type=Moment)
    closed_at: datetime | None = Field(default=None, sa_type=Moment)


NODE_NAMES: Final = frozenset({"post"})
