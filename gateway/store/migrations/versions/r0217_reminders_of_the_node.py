"""Reminders of operators that were sent, which belong to no agency.

Expand. A program of before reminds no operators.
"""

from alembic import op

revision = "0217"
down_revision = "0216"
phase = "expand"


def upgrade() -> None:
    moment = "TIMESTAMP WITH TIME ZONE" if op.get_bind().dialect.name == "postgresql" else "DATETIME"
    op.execute(f"CREATE TABLE node_reminder (key VARCHAR NOT NULL, at {moment} NOT NULL, PRIMARY KEY (key))")
    op.execute("CREATE INDEX ix_node_reminder_at ON node_reminder (at)")
