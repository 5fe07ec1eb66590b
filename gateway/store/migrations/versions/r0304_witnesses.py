"""Witnesses cosign the log, this node cosigns logs of others, and nodes compare what was sent with what came.

Expand: four tables, which the former program does not know.
"""

from alembic import op

revision = "0304"
down_revision = "0303"
phase = "expand"

_TABLES = """
CREATE TABLE log_witness (name VARCHAR NOT NULL PRIMARY KEY, keys TEXT NOT NULL, held_size BIGINT NOT NULL,
    asked_at {moment}, said_at {moment}, cosigned_at {moment}, fault VARCHAR NOT NULL, other_history TEXT NOT NULL);
CREATE TABLE log_cosignature (witness VARCHAR NOT NULL, tree_size BIGINT NOT NULL, day DATE NOT NULL, at {moment} NOT NULL,
    body TEXT NOT NULL, PRIMARY KEY (witness, tree_size));
CREATE TABLE witnessed_log (origin VARCHAR NOT NULL PRIMARY KEY, node VARCHAR NOT NULL, code VARCHAR NOT NULL,
    keys TEXT NOT NULL, note TEXT NOT NULL, size BIGINT NOT NULL, first_at {moment} NOT NULL, asked_at {moment} NOT NULL,
    said_at {moment} NOT NULL, cosigned_at {moment}, fault VARCHAR NOT NULL, other_history TEXT NOT NULL);
CREATE TABLE loss_count (node VARCHAR NOT NULL, day DATE NOT NULL, sender VARCHAR NOT NULL, recipient VARCHAR NOT NULL,
    is_sender BOOLEAN NOT NULL, own_count INTEGER NOT NULL, other_count INTEGER NOT NULL, compared_at {moment} NOT NULL,
    open_count INTEGER NOT NULL, differences TEXT NOT NULL, PRIMARY KEY (node, day, sender, recipient))
"""


def upgrade() -> None:
    is_server = op.get_bind().dialect.name == "postgresql"
    moment = "TIMESTAMP WITH TIME ZONE" if is_server else "DATETIME"
    for statement in _TABLES.format(moment=moment).split(";"):
        op.get_bind().exec_driver_sql(statement)
