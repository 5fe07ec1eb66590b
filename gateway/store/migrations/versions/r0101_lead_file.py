"""A sent document is found by its lead file, long after the file itself went into the envelope.

Expand: rows of before have none, and are not asked about.
"""

import sqlalchemy as sa
from alembic import op

revision = "0101"
down_revision = "0100"
phase = "expand"


def upgrade() -> None:
    op.add_column("outgoing_document", sa.Column("lead", sa.String(), nullable=False, server_default=""))
    op.create_index("ix_outgoing_lead", "outgoing_document", ["agency_id", "lead", "created_at", "id"])
