"""Files of records are handed over to the historical archive.

Expand: a table that the former program does not know.
"""

from alembic import op

revision = "0310"
down_revision = "0309"
phase = "expand"

_TABLE = """
CREATE TABLE hand_over (agency_id VARCHAR NOT NULL REFERENCES hosted_agency (id), id VARCHAR NOT NULL,
    file_id VARCHAR NOT NULL, code VARCHAR NOT NULL, target TEXT NOT NULL, sha256 VARCHAR NOT NULL, size BIGINT NOT NULL,
    documents INTEGER NOT NULL, files INTEGER NOT NULL, "by" VARCHAR NOT NULL, at {moment} NOT NULL,
    state VARCHAR NOT NULL, receipt VARCHAR, answered_on DATE, note TEXT, noted_by VARCHAR, noted_at {moment},
    PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_hand_over_file_id FOREIGN KEY (agency_id, file_id) REFERENCES work_file (agency_id, id));
CREATE INDEX ix_hand_over_file ON hand_over (agency_id, file_id, at)
"""


def upgrade() -> None:
    is_server = op.get_bind().dialect.name == "postgresql"
    moment = "TIMESTAMP WITH TIME ZONE" if is_server else "DATETIME"
    for statement in _TABLE.format(moment=moment).split(";"):
        op.get_bind().exec_driver_sql(statement)
