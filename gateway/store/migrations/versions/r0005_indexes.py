"""Indexes in the order in which workers claim, events are numbered and a scrape counts.

Expand: new indexes only.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
phase = "expand"

_NO_NUMBER = sa.text("node_seq IS NULL")
_URGENT_FIRST = sa.text("lane DESC")


def upgrade() -> None:
    op.create_index(
        "ix_event_unnumbered", "event", ["position"], postgresql_where=_NO_NUMBER, sqlite_where=_NO_NUMBER
    )
    op.create_index("ix_outbox_claim", "outbox", ["state", _URGENT_FIRST, "created_at", "id"])
    op.create_index("ix_inbox_claim", "inbox", ["state", _URGENT_FIRST, "received_at", "id"])
    op.create_index("ix_delivery_updated", "delivery", ["state", "updated_at"])
