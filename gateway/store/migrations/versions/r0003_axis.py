"""Which node speaks for a code, and which node the axis vouched for when a packet landed.

Expand: two nullable columns; an older node leaves them empty.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
phase = "expand"


def upgrade() -> None:
    with op.batch_alter_table("agency") as agency:
        agency.add_column(sa.Column("host", sa.String()))
    with op.batch_alter_table("inbox") as inbox:
        inbox.add_column(sa.Column("transport_node", sa.String()))
