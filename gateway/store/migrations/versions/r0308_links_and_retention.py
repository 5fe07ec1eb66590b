"""Documents are linked by persons; an agency has its table of retention.

Expand: tables that the former program does not know.
"""

from alembic import op

revision = "0308"
down_revision = "0307"
phase = "expand"

_TABLES = """
CREATE TABLE document_link (agency_id VARCHAR NOT NULL REFERENCES hosted_agency (id), document_id VARCHAR NOT NULL,
    kind VARCHAR NOT NULL, target_id VARCHAR NOT NULL, "by" VARCHAR NOT NULL, at {moment} NOT NULL,
    PRIMARY KEY (agency_id, document_id, kind, target_id));
CREATE INDEX ix_document_link_target ON document_link (agency_id, target_id);
CREATE TABLE retention_table (agency_id VARCHAR NOT NULL REFERENCES hosted_agency (id), id VARCHAR NOT NULL,
    at {moment} NOT NULL, body TEXT NOT NULL, PRIMARY KEY (agency_id, id));
CREATE INDEX ix_retention_table_at ON retention_table (agency_id, at, id)
"""


def upgrade() -> None:
    is_server = op.get_bind().dialect.name == "postgresql"
    moment = "TIMESTAMP WITH TIME ZONE" if is_server else "DATETIME"
    for statement in _TABLES.format(moment=moment).split(";"):
        op.get_bind().exec_driver_sql(statement)
