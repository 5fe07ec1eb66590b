"""By which of several axes a packet came.

Expand: a process of before leaves it empty, which says that nobody knows.
"""

import sqlalchemy as sa
from alembic import op

revision = "0103"
down_revision = "0102"
phase = "expand"


def upgrade() -> None:
    op.add_column("inbox", sa.Column("axes", sa.String(), nullable=False, server_default=""))
