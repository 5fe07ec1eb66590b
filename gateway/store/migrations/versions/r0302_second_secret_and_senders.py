"""A key may have its earlier secret beside the present one; incoming documents are listed by their sender.

Expand: two columns without a value, and an index. The former program looks at none of them: with it, only the present
secret of a key opens.
"""

import sqlalchemy as sa
from alembic import op

revision = "0302"
down_revision = "0301"
phase = "expand"


def upgrade() -> None:
    op.add_column("api_key", sa.Column("earlier_hash", sa.String(), nullable=True))
    op.add_column("api_key", sa.Column("earlier_ends_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_incoming_sender", "incoming_document", ["agency_id", "sender_folded", "arrived_at", "id"]
    )
