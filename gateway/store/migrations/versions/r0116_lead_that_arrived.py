"""An incoming document is found by its lead file, which came again under another number.

Expand: rows of before have none, and are not told of.
"""

import sqlalchemy as sa
from alembic import op

revision = "0116"
down_revision = "0115"
phase = "expand"


def upgrade() -> None:
    op.add_column("incoming_document", sa.Column("lead", sa.String(), nullable=False, server_default=""))
    op.create_index("ix_incoming_lead", "incoming_document", ["agency_id", "lead", "arrived_at", "id"])
