"""The part that each unit has in an incoming document, with a day of its own.

Expand: what was assigned before has none, and a process of before makes none.
"""

import sqlalchemy as sa
from alembic import op

revision = "0111"
down_revision = "0110"
phase = "expand"


def upgrade() -> None:
    op.create_table(
        "unit_part",
        sa.Column("agency_id", sa.String(), primary_key=True),
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("document_id", sa.String(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("unit_key", sa.String(), nullable=False),
        sa.Column("is_lead", sa.Boolean(), nullable=False),
        sa.Column("deadline", sa.Date()),
        sa.Column("given_by", sa.String(), nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("ended_by", sa.String()),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("why", sa.Text(), nullable=False, server_default=""),
        sa.ForeignKeyConstraint(["agency_id"], ["hosted_agency.id"], name="fk_unit_part_agency"),
        sa.ForeignKeyConstraint(
            ["agency_id", "document_id"],
            ["incoming_document.agency_id", "incoming_document.id"],
            name="fk_unit_part_document_id",
        ),
    )
    op.create_index("ix_unit_part_document", "unit_part", ["agency_id", "document_id"])
    op.create_index("ix_unit_part_state", "unit_part", ["agency_id", "state", "unit_key", "deadline"])
