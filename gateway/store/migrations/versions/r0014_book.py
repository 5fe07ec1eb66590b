"""Who entered a line in the register book, catch-up entries, struck lines, and outgoing mail on paper.

Expand: columns that may be empty, a new table and an index only.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
phase = "expand"

_WHEN = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("register_entry", sa.Column("entered_by", sa.String()))
    op.add_column("register_entry", sa.Column("catch_up", sa.Text()))
    op.add_column("register_entry", sa.Column("struck_at", _WHEN))
    op.add_column("register_entry", sa.Column("struck_by", sa.String()))
    op.add_column("register_entry", sa.Column("struck_reason", sa.Text()))
    op.create_table(
        "paper_outgoing",
        sa.Column("agency_id", sa.String(), primary_key=True),
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("issued_on", sa.Date(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("entered_at", _WHEN, nullable=False),
        sa.Column("entered_by", sa.String(), nullable=False),
        sa.Column("catch_up", sa.Text()),
        sa.Column("struck_at", _WHEN),
        sa.Column("struck_by", sa.String()),
        sa.Column("struck_reason", sa.Text()),
        sa.Column("body", sa.Text(), nullable=False),
        sa.UniqueConstraint("agency_id", "year", "number", "symbol", name="uq_paper_outgoing_number"),
        sa.ForeignKeyConstraint(["agency_id"], ["hosted_agency.id"], name="fk_paper_outgoing_agency"),
    )
    op.create_index("ix_paper_outgoing_issued", "paper_outgoing", ["agency_id", "issued_on", "id"])
    op.create_index("ix_outgoing_issued", "outgoing_document", ["agency_id", "issued_on", "id"])
