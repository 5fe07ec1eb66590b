"""The paper dispatch list: which recipients get a document on paper, and when and how it was handed over.

Expand: one table.
"""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
phase = "expand"

_WAITS = sa.text("handed_over IS NULL")


def upgrade() -> None:
    op.create_table(
        "paper_part",
        sa.Column("agency_id", sa.String(), primary_key=True),
        sa.Column("delivery_id", sa.String(), primary_key=True),
        sa.Column("document_id", sa.String(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("handed_over", sa.Date()),
        sa.Column("means", sa.String()),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True)),
        sa.Column("closed_by", sa.String()),
        sa.ForeignKeyConstraint(
            ["agency_id", "delivery_id"], ["delivery.agency_id", "delivery.id"], name="fk_paper_part_delivery"
        ),
    )
    op.create_index("ix_paper_part_document", "paper_part", ["agency_id", "document_id"])
    op.create_index("ix_paper_part_handed", "paper_part", ["agency_id", "handed_over"])
    op.create_index(
        "ix_paper_part_waiting",
        "paper_part",
        ["agency_id", "opened_at", "delivery_id"],
        postgresql_where=_WAITS,
        sqlite_where=_WAITS,
    )
