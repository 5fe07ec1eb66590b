"""Documents that were submitted to a leader, each with the leader's opinion once there is one.

Expand: a process of before knows of none.
"""

import sqlalchemy as sa
from alembic import op

revision = "0112"
down_revision = "0111"
phase = "expand"


def upgrade() -> None:
    op.create_table(
        "submission",
        sa.Column("agency_id", sa.String(), primary_key=True),
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("document_id", sa.String(), nullable=False),
        sa.Column("leader", sa.String(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.String(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("decided_by", sa.String()),
        sa.Column("decided_at", sa.DateTime(timezone=True)),
        sa.Column("opinion", sa.Text(), nullable=False, server_default=""),
        sa.ForeignKeyConstraint(["agency_id"], ["hosted_agency.id"], name="fk_submission_agency"),
        sa.ForeignKeyConstraint(
            ["agency_id", "document_id"],
            ["incoming_document.agency_id", "incoming_document.id"],
            name="fk_submission_document_id",
        ),
    )
    op.create_index("ix_submission_document", "submission", ["agency_id", "document_id"])
    op.create_index("ix_submission_state", "submission", ["agency_id", "state", "asked_at"])
