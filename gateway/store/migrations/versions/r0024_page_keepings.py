"""What pages keep for the pages that follow them.

Expand: a new table only.
"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
phase = "expand"


def upgrade() -> None:
    op.create_table(
        "page_keeping",
        sa.Column("key", sa.String(), primary_key=True),
        sa.Column("session_id", sa.String(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_page_keeping_session", "page_keeping", ["session_id", "at"])
    op.create_index("ix_page_keeping_until", "page_keeping", ["until"])
