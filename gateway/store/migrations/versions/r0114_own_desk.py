"""What each person's own desk remembers: until when the bell was read, of what it is silent, that the tour was put away.

Expand: a process of before knows none of it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0114"
down_revision = "0113"
phase = "expand"


def upgrade() -> None:
    op.create_table(
        "own_desk",
        sa.Column("agency_id", sa.String(), primary_key=True),
        sa.Column("person_id", sa.String(), primary_key=True),
        sa.Column("read_until", sa.DateTime(timezone=True)),
        sa.Column("muted", sa.Text()),
        sa.Column("toured_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(["agency_id"], ["hosted_agency.id"], name="fk_own_desk_agency"),
    )
