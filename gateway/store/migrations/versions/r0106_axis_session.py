"""By which session with a foreign axis a packet came is kept with it.

Expand: a process of before leaves it empty, which means by our own axis.
"""

import sqlalchemy as sa
from alembic import op

revision = "0106"
down_revision = "0105"
phase = "expand"


def upgrade() -> None:
    op.add_column("inbox", sa.Column("transport_session", sa.String(), nullable=True))
