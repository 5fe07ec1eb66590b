"""What the node remembers of itself: samples of its queues, days of its jobs.

Expand: two new tables only.
"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
phase = "expand"


def upgrade() -> None:
    op.create_table(
        "queue_sample",
        sa.Column("at", sa.DateTime(timezone=True), primary_key=True),
        sa.Column("queue", sa.String(), primary_key=True),
        sa.Column("depth", sa.Integer(), nullable=False),
        sa.Column("oldest_s", sa.Integer(), nullable=True),
    )
    op.create_table(
        "job_day",
        sa.Column("job", sa.String(), primary_key=True),
        sa.Column("day", sa.Date(), primary_key=True),
        sa.Column("beats", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("gap_s", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("code", sa.String(), nullable=False),
    )
