"""The sealed hold: incidents, and the content that each took out of use.

Expand: new tables only.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
phase = "expand"


def upgrade() -> None:
    op.create_table(
        "hold",
        sa.Column("agency_id", sa.String(), primary_key=True),
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("open_subject", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("is_settled", sa.Boolean(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["agency_id"], ["hosted_agency.id"], name="fk_hold_agency"),
    )
    op.create_index("uq_hold_open_subject", "hold", ["agency_id", "open_subject"], unique=True)
    op.create_index("ix_hold_begun", "hold", ["agency_id", "begun_at", "id"])
    op.create_table(
        "hold_content",
        sa.Column("agency_id", sa.String(), primary_key=True),
        sa.Column("hold_id", sa.String(), primary_key=True),
        sa.Column("digest", sa.String(), primary_key=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["agency_id", "hold_id"], ["hold.agency_id", "hold.id"], name="fk_hold_content_hold_id"
        ),
    )
    op.create_index("ix_hold_content_digest", "hold_content", ["agency_id", "digest"])
