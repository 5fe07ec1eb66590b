"""How an API key begins, and when it was last used.

Expand: two columns, empty for keys that are there.
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
phase = "expand"


def upgrade() -> None:
    op.add_column("api_key", sa.Column("prefix", sa.String(), nullable=False, server_default=""))
    op.add_column("api_key", sa.Column("used_at", sa.DateTime(timezone=True), nullable=True))
