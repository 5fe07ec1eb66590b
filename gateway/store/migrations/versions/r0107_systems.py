"""Credentials of document systems that speak as the national axis's clients do, and what each of them was given.

Expand: a process of before knows no such credential, and lets none in.
"""

import sqlalchemy as sa
from alembic import op

revision = "0107"
down_revision = "0106"
phase = "expand"


def upgrade() -> None:
    op.add_column("api_key", sa.Column("system", sa.String(), nullable=True))
    op.add_column("api_key", sa.Column("sealed", sa.Text(), nullable=True))
    op.create_table(
        "system_item",
        sa.Column("agency_id", sa.String(), primary_key=True),
        sa.Column("system", sa.String(), primary_key=True),
        sa.Column("doc_id", sa.String(), primary_key=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject_id", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True)),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("offered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["agency_id"], ["hosted_agency.id"], name="fk_system_item_agency"),
    )
    op.create_index("ix_system_item_state", "system_item", ["agency_id", "state", "updated_at"])
    op.create_table(
        "system_cursor",
        sa.Column("agency_id", sa.String(), primary_key=True),
        sa.Column("system", sa.String(), primary_key=True),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["agency_id"], ["hosted_agency.id"], name="fk_system_cursor_agency"),
    )
