"""The networks from which an API key may be used.

Expand: one column; a key that is there goes on to be good from everywhere.
"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
phase = "expand"


def upgrade() -> None:
    op.add_column("api_key", sa.Column("networks", sa.Text(), nullable=False, server_default="[]"))
