"""Preservation orders: documents that stay while an authority asks for it.

Expand: one table, which the former program does not know.
"""

from alembic import op

revision = "0306"
down_revision = "0305"
phase = "expand"

_TABLE = """
CREATE TABLE preservation_order (agency_id VARCHAR NOT NULL REFERENCES hosted_agency (id), id VARCHAR NOT NULL,
    is_open BOOLEAN NOT NULL, begun_at {moment} NOT NULL, body TEXT NOT NULL, PRIMARY KEY (agency_id, id));
CREATE INDEX ix_preservation_order_begun ON preservation_order (agency_id, begun_at, id)
"""


def upgrade() -> None:
    is_server = op.get_bind().dialect.name == "postgresql"
    moment = "TIMESTAMP WITH TIME ZONE" if is_server else "DATETIME"
    for statement in _TABLE.format(moment=moment).split(";"):
        op.get_bind().exec_driver_sql(statement)
