"""Nodes compare the states of documents that one sent and the other has.

Expand: a table that the former program does not know.
"""

from alembic import op

revision = "0312"
down_revision = "0311"
phase = "expand"

_TABLE = """
CREATE TABLE state_count (node VARCHAR NOT NULL, day DATE NOT NULL, sender VARCHAR NOT NULL, recipient VARCHAR NOT NULL,
    is_sender BOOLEAN NOT NULL, compared_at {moment} NOT NULL, counts TEXT NOT NULL, open_count INTEGER NOT NULL,
    differences TEXT NOT NULL, PRIMARY KEY (node, day, sender, recipient))
"""


def upgrade() -> None:
    is_server = op.get_bind().dialect.name == "postgresql"
    moment = "TIMESTAMP WITH TIME ZONE" if is_server else "DATETIME"
    op.get_bind().exec_driver_sql(_TABLE.format(moment=moment))
