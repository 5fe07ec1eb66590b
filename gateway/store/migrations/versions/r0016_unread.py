"""Which incoming documents nobody of the agency has read yet; and what lists ask for often and few rows have, by indexes.

Expand: one column with a constant, so that no row is rewritten, and three indexes. What is there counts as read.
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
phase = "expand"

_FEW = {"unread": "unread", "attached": "attached", "pressing": "(tabs & 128) <> 0 AND urgency > 0"}


def upgrade() -> None:
    op.add_column("list_row", sa.Column("unread", sa.Boolean(), nullable=False, server_default=sa.false()))
    for name, where in _FEW.items():
        op.create_index(
            f"ix_list_row_{name}",
            "list_row",
            ["agency_id", "side", "place"],
            postgresql_where=sa.text(where),
            sqlite_where=sa.text(where),
        )
