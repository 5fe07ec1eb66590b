"""A code moves to another node on a day that is planned.

Expand. A program of before writes neither, keeps what is there, and goes by the node of before until it is replaced.
"""

from alembic import op

revision = "0219"
down_revision = "0218"
phase = "expand"


def upgrade() -> None:
    for table in ("agency", "agency_period"):
        op.execute(f"ALTER TABLE {table} ADD COLUMN next_host VARCHAR")
        op.execute(f"ALTER TABLE {table} ADD COLUMN next_host_from DATE")
