"""A sent document is found by what the system that sent it calls it.

Expand: rows of before have none, and are found by the identity of the standard alone.
"""

import sqlalchemy as sa
from alembic import op

revision = "0108"
down_revision = "0107"
phase = "expand"


def upgrade() -> None:
    op.add_column("outgoing_document", sa.Column("own_id", sa.String(), nullable=True))
    op.create_index(
        "ix_outgoing_own_id",
        "outgoing_document",
        ["agency_id", "own_id"],
        sqlite_where=sa.text("own_id IS NOT NULL"),
        postgresql_where=sa.text("own_id IS NOT NULL"),
    )
