"""Outgoing documents are listed by their recipient.

Expand: an index, which the former program does not look at.
"""

from alembic import op

revision = "0303"
down_revision = "0302"
phase = "expand"


def upgrade() -> None:
    op.create_index("ix_delivery_code", "delivery", ["agency_id", "code", "document_id"])
