"""What the Signature of an admitted packet says beside its body, by digest: who sends it again with other words is told.
And the arrival number that a recipient told.

Expand: three columns; what came before said nothing.
"""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
phase = "expand"


def upgrade() -> None:
    op.add_column("identity", sa.Column("terms", sa.String()))
    op.add_column("delivery", sa.Column("register_no", sa.String()))
    op.add_column("delivery", sa.Column("register_year", sa.Integer()))
