"""A reminder that is being sent has a lease and the id of its mail.

Expand. Reminders of before have no lease: they count as sent, as they do for a program of before.
"""

from alembic import op

revision = "0223"
down_revision = "0218"
phase = "expand"


def upgrade() -> None:
    moment = "TIMESTAMP WITH TIME ZONE" if op.get_bind().dialect.name == "postgresql" else "DATETIME"
    for table in ("reminder", "node_reminder"):
        op.execute(f"ALTER TABLE {table} ADD COLUMN mail VARCHAR")
        op.execute(f"ALTER TABLE {table} ADD COLUMN leased_until {moment}")
