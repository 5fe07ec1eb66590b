"""An agency's row names the person to call there.

Expand. A program of before writes no name, and keeps the one that is there.
"""

from alembic import op

revision = "0218"
down_revision = "0217"
phase = "expand"


def upgrade() -> None:
    for table in ("agency", "agency_period"):
        op.execute(f"ALTER TABLE {table} ADD COLUMN contact VARCHAR")
