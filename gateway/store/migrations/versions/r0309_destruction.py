"""Documents whose retention has ended are destroyed by a recorded decision.

Expand: tables that the former program does not know.
"""

from alembic import op

revision = "0309"
down_revision = "0308"
phase = "expand"

_TABLES = """
CREATE TABLE destruction (agency_id VARCHAR NOT NULL REFERENCES hosted_agency (id), id VARCHAR NOT NULL,
    state VARCHAR NOT NULL, at {moment} NOT NULL, body TEXT NOT NULL, PRIMARY KEY (agency_id, id));
CREATE INDEX ix_destruction_at ON destruction (agency_id, at, id);
CREATE INDEX ix_destruction_due ON destruction (agency_id, id) WHERE state IN ('confirmed', 'running');
CREATE TABLE destruction_item (agency_id VARCHAR NOT NULL, act_id VARCHAR NOT NULL, n INTEGER NOT NULL,
    document_id VARCHAR NOT NULL, state VARCHAR NOT NULL, body TEXT NOT NULL, PRIMARY KEY (agency_id, act_id, n),
    CONSTRAINT fk_destruction_item_act_id FOREIGN KEY (agency_id, act_id) REFERENCES destruction (agency_id, id));
CREATE INDEX ix_destruction_item_state ON destruction_item (agency_id, act_id, state, n);
CREATE INDEX ix_destruction_item_document ON destruction_item (agency_id, document_id)
"""


def upgrade() -> None:
    is_server = op.get_bind().dialect.name == "postgresql"
    moment = "TIMESTAMP WITH TIME ZONE" if is_server else "DATETIME"
    for statement in _TABLES.format(moment=moment).split(";"):
        op.get_bind().exec_driver_sql(statement)
