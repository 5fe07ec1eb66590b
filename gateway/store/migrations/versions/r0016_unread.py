"""Which incoming documents nobody of the agency has read yet.

Expand: one column with a constant, so that no row is rewritten, and an index on few rows. What is there counts as read.
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
phase = "expand"

_UNREAD = sa.text("unread")


def upgrade() -> None:
    op.add_column("list_row", sa.Column("unread", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_index(
        "ix_list_row_unread",
        "list_row",
        ["agency_id", "side", "place"],
        postgresql_where=_UNREAD,
        sqlite_where=_UNREAD,
    )
