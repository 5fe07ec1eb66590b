"""Readings of documents by programs, until the event of the day tells them.

Expand: a new table, which the former program does not look at.
"""

import sqlalchemy as sa
from alembic import op

revision = "0305"
down_revision = "0300"
phase = "expand"


def upgrade() -> None:
    op.create_table(
        "program_reading",
        sa.Column("agency_id", sa.String(), nullable=False),
        sa.Column("document_id", sa.String(), nullable=False),
        sa.Column("reader_id", sa.String(), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("agency_id", "document_id", "reader_id"),
        sa.ForeignKeyConstraint(["agency_id"], ["hosted_agency.id"], name="fk_program_reading_agency"),
    )
    op.create_index(
        "ix_program_reading_untold",
        "program_reading",
        ["last_at"],
        sqlite_where=sa.text("count > 0"),
        postgresql_where=sa.text("count > 0"),
    )
