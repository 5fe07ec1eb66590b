"""Saved groups of recipients.

Expand: a new table only.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
phase = "expand"


def upgrade() -> None:
    op.create_table(
        "recipient_group",
        sa.Column("agency_id", sa.String(), primary_key=True),
        sa.Column("folded", sa.String(), primary_key=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("members", sa.Text(), nullable=False),
        sa.Column("saved_by", sa.String(), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["agency_id"], ["hosted_agency.id"], name="fk_recipient_group_agency"),
    )
