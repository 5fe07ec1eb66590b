"""Which incoming documents nobody of the agency has read yet; and those with attachments, found by an index.

Expand: one column with a constant, so that no row is rewritten, and two indexes. What is there counts as read.
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
phase = "expand"


def upgrade() -> None:
    op.add_column("list_row", sa.Column("unread", sa.Boolean(), nullable=False, server_default=sa.false()))
    for name in ("unread", "attached"):
        op.create_index(
            f"ix_list_row_{name}",
            "list_row",
            ["agency_id", "side", "place"],
            postgresql_where=sa.text(name),
            sqlite_where=sa.text(name),
        )
