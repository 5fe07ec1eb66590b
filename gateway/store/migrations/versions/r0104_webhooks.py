"""Webhooks of agencies, and what became of each event that was sent to one.

Expand: a process of before knows none of them, and what it writes into the log of events is told by the others.
"""

import sqlalchemy as sa
from alembic import op

revision = "0104"
down_revision = "0103"
phase = "expand"

_WAITING = sa.text("state = 'waiting'")


def upgrade() -> None:
    op.create_table(
        "webhook",
        sa.Column("agency_id", sa.String(), primary_key=True),
        sa.Column("id", sa.String(), primary_key=True),
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in ("url", "types", "scopes", "note", "secrets")
        ),
        _moment("created_at", nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("paused_why", sa.String()),
        _moment("paused_at"),
        sa.Column("cursor", sa.BigInteger(), nullable=False),
        sa.Column("suspects", sa.Integer(), nullable=False),
        _moment("due_at"),
        _moment("last_ok_at"),
        _moment("last_try_at"),
        sa.Column("slow", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("lease_token", sa.String()),
        _moment("lease_until"),
        sa.ForeignKeyConstraint(["agency_id"], ["hosted_agency.id"], name="fk_webhook_agency"),
    )
    op.create_table(
        "webhook_delivery",
        sa.Column("agency_id", sa.String(), primary_key=True),
        sa.Column("webhook_id", sa.String(), primary_key=True),
        sa.Column("sequence", sa.BigInteger(), primary_key=True, autoincrement=False),
        *(sa.Column(name, sa.String(), nullable=False) for name in ("event_id", "kind", "state")),
        sa.Column("attempts", sa.Integer(), nullable=False),
        _moment("first_at", nullable=False),
        _moment("at", nullable=False),
        _moment("due_at"),
        sa.Column("tries", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["agency_id", "webhook_id"],
            ["webhook.agency_id", "webhook.id"],
            name="fk_webhook_delivery_webhook_id",
        ),
    )
    op.create_index(
        "ix_webhook_delivery_left",
        "webhook_delivery",
        ["agency_id", "webhook_id", "due_at"],
        postgresql_where=_WAITING,
        sqlite_where=_WAITING,
    )
    op.create_index("ix_webhook_delivery_at", "webhook_delivery", ["at"])


def _moment(name: str, *, nullable: bool = True) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)
