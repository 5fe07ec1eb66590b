"""A sent document that wants an answer is found by the day on which it is wanted.

Expand: documents of before are found by none, and their answers are not waited for in lists.
"""

import sqlalchemy as sa
from alembic import op

revision = "0113"
down_revision = "0112"
phase = "expand"


def upgrade() -> None:
    op.add_column("outgoing_document", sa.Column("reply_by", sa.Date(), nullable=True))
    op.create_index(
        "ix_outgoing_reply_by",
        "outgoing_document",
        ["agency_id", "reply_by"],
        sqlite_where=sa.text("reply_by IS NOT NULL"),
        postgresql_where=sa.text("reply_by IS NOT NULL"),
    )
