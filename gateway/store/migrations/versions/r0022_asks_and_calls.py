"""Recalls that wait for the head of an agency, and what each API key called.

Expand: new tables only.
"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
phase = "expand"


def upgrade() -> None:
    _recall_asks()
    _api_calls()


def _recall_asks() -> None:
    op.create_table(
        "recall_ask",
        sa.Column("agency_id", sa.String(), primary_key=True),
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("document_id", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("notice_no", sa.String(), nullable=False),
        sa.Column("take_back", sa.Boolean(), nullable=False),
        sa.Column("recipients", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.String(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asked_for", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("decided_by", sa.String(), nullable=True),
        sa.Column("decided_for", sa.String(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("result", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["agency_id"], ["hosted_agency.id"], name="fk_recall_ask_agency"),
        sa.ForeignKeyConstraint(
            ["agency_id", "document_id"],
            ["outgoing_document.agency_id", "outgoing_document.id"],
            name="fk_recall_ask_document_id",
        ),
    )
    op.create_index("ix_recall_ask_document", "recall_ask", ["agency_id", "document_id"])
    op.create_index("ix_recall_ask_state", "recall_ask", ["agency_id", "state", "asked_at"])


def _api_calls() -> None:
    op.create_table(
        "api_call",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("route", sa.String(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("took_ms", sa.Integer(), nullable=False),
        sa.Column("problem", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("request_id", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["api_key.id"], name="fk_api_call_key"),
    )
    op.create_index("ix_api_call_key", "api_call", ["key_id", "id"])
    op.create_index("ix_api_call_at", "api_call", ["at"])
