"""The trace of a call is kept with the document that it made, and in the log of the key.

Expand: rows of before have none, and a process of before leaves it empty.
"""

import sqlalchemy as sa
from alembic import op

revision = "0110"
down_revision = "0109"
phase = "expand"


def upgrade() -> None:
    op.add_column("outgoing_document", sa.Column("trace", sa.String(), nullable=True))
    op.add_column("api_call", sa.Column("trace_id", sa.String(), nullable=False, server_default=""))
