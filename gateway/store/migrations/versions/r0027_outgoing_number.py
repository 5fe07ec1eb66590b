"""Whether a number and notation were given before is asked at every document that goes out.

Expand: one index.
"""

from alembic import op

revision = "0027"
down_revision = "0026"
phase = "expand"


def upgrade() -> None:
    op.create_index("ix_outgoing_number", "outgoing_document", ["agency_id", "number", "symbol"])
