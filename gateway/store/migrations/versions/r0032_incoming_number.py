"""Whether a document of that number came another way is asked at every document that comes in.

Expand: one column and its index; what came before is not found by its number.
"""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
phase = "expand"


def upgrade() -> None:
    op.add_column(
        "incoming_document", sa.Column("number_key", sa.String(), nullable=False, server_default="")
    )
    op.create_index("ix_incoming_number", "incoming_document", ["agency_id", "number_key", "arrived_at"])
