"""The rows that say which DocumentIds a replacement replaces, so that an original that comes after it is known."""

from __future__ import annotations

from sqlalchemy import ForeignKeyConstraint
from sqlmodel import Field

from gateway.store.row import Row


class ReplacedRow(Row, table=True):
    """One DocumentId that the replacement `incoming_id` names; whether it was taken in is said by its facts."""

    __tablename__ = "replaced_document"
    __table_args__ = (
        ForeignKeyConstraint(
            ["agency_id", "incoming_id"],
            ["incoming_document.agency_id", "incoming_document.id"],
            name="fk_replaced_document_incoming_id",
        ),
    )

    agency_id: str = Field(primary_key=True)
    sender_folded: str = Field(primary_key=True)
    document_id: str = Field(primary_key=True)
    incoming_id: str = Field(primary_key=True)
