"""Files of records are opened before they are closed, stand in the list of a year, and hold documents.

Expand: new columns that may be empty, and a table that the former program does not know. What it closes meanwhile has no
year until its day of closing is corrected. A file that is still open has no day of closing, which the former program does
not meet: it reads closed files alone.
"""

from alembic import op

revision = "0307"
down_revision = "0306"
phase = "expand"

_OLD = "agency_id, id, code, title, kind, closed_on, owner, archived_on"
# SQLite takes a NOT NULL away only with the table.
_FILE = """
CREATE TABLE work_file_new (agency_id VARCHAR NOT NULL, id VARCHAR NOT NULL, code VARCHAR NOT NULL, title TEXT NOT NULL,
    kind VARCHAR NOT NULL, year INTEGER DEFAULT 0 NOT NULL, opened_on DATE, closed_on DATE, owner VARCHAR NOT NULL,
    archived_on DATE, retention VARCHAR, listed_by VARCHAR, listed_on DATE, PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_work_file_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id));
INSERT INTO work_file_new ({old}, year, opened_on)
    SELECT {old}, CAST(strftime('%Y', closed_on) AS INTEGER), closed_on FROM work_file;
DROP TABLE work_file;
ALTER TABLE work_file_new RENAME TO work_file;
CREATE UNIQUE INDEX uq_work_file_code ON work_file (agency_id, code);
CREATE INDEX ix_work_file_open ON work_file (agency_id, closed_on) WHERE archived_on IS NULL
"""
_SERVER = """
ALTER TABLE work_file ADD COLUMN year INTEGER DEFAULT 0 NOT NULL, ADD COLUMN opened_on DATE,
    ADD COLUMN retention VARCHAR, ADD COLUMN listed_by VARCHAR, ADD COLUMN listed_on DATE,
    ALTER COLUMN closed_on DROP NOT NULL;
UPDATE work_file SET year = CAST(date_part('year', closed_on) AS INTEGER), opened_on = closed_on
"""
_MEMBERS = """;
CREATE INDEX ix_work_file_year ON work_file (agency_id, year, code);
CREATE TABLE file_member (agency_id VARCHAR NOT NULL, file_id VARCHAR NOT NULL, document_id VARCHAR NOT NULL,
    partner VARCHAR NOT NULL, symbol VARCHAR NOT NULL, "by" VARCHAR NOT NULL, at {moment} NOT NULL,
    PRIMARY KEY (agency_id, file_id, document_id),
    CONSTRAINT fk_file_member_file_id FOREIGN KEY(agency_id, file_id) REFERENCES work_file (agency_id, id));
CREATE INDEX ix_file_member_document ON file_member (agency_id, document_id);
CREATE INDEX ix_file_member_partner ON file_member (agency_id, partner, file_id)
"""


def upgrade() -> None:
    is_server = op.get_bind().dialect.name == "postgresql"
    moment = "TIMESTAMP WITH TIME ZONE" if is_server else "DATETIME"
    steps = ((_SERVER if is_server else _FILE) + _MEMBERS).format(moment=moment, old=_OLD)
    for statement in steps.split(";"):
        op.get_bind().exec_driver_sql(statement.replace("%", "%%") if is_server else statement)
