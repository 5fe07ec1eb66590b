"""An index of deliveries with a mark, by which the list of tasks finds those that had left although they were cancelled.

Expand: the former program neither reads nor minds it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0302"
down_revision = "0300"
phase = "expand"
_MARKED = sa.text("marks <> '[]'")


def upgrade() -> None:
    op.create_index(
        "ix_delivery_marked",
        "delivery",
        ["agency_id", "updated_at"],
        sqlite_where=_MARKED,
        postgresql_where=_MARKED,
    )
