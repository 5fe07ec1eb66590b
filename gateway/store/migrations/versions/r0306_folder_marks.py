"""Marks of the node's folders.

Expand: a table of its own; rows come at the next start, from the folders as they are then.
"""

import sqlalchemy as sa
from alembic import op

revision = "0306"
down_revision = "0300"
phase = "expand"


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "folder_mark",
        sa.Column("place", sa.String(), nullable=False, primary_key=True),
        sa.Column("mark", sa.String(), nullable=False),
        sa.Column("written_at", moment, nullable=False),
    )
