"""What left on a day is found by when it left.

Expand: one index. Figures of days that were worked out before are worked out again as long as their deliveries move.
"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
phase = "expand"

_LEFT = "sent_at IS NOT NULL"


def upgrade() -> None:
    op.create_index(
        "ix_list_row_sent",
        "list_row",
        ["agency_id", "side", "sent_at", "state"],
        postgresql_where=sa.text(_LEFT),
        sqlite_where=sa.text(_LEFT),
    )
