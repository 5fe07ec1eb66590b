"""Acts that can still be undone, and profiles of agencies, have their tables.

Expand: a program of before knows neither, and needs neither.
"""

from alembic import op

revision = "0204"
down_revision = "0203"
phase = "expand"

_TABLES = """CREATE TABLE agency_profile (
    agency_id VARCHAR NOT NULL,
    id VARCHAR NOT NULL,
    key VARCHAR NOT NULL,
    value VARCHAR NOT NULL,
    set_by VARCHAR NOT NULL,
    set_at {moment} NOT NULL,
    from_when {moment} NOT NULL,
    PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_agency_profile_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id)
);
CREATE INDEX ix_agency_profile_key ON agency_profile (agency_id, key, set_at);
CREATE TABLE pending_act (
    agency_id VARCHAR NOT NULL,
    document_id VARCHAR NOT NULL,
    id VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    act_values TEXT NOT NULL,
    version INTEGER NOT NULL,
    person_id VARCHAR NOT NULL,
    made_at {moment} NOT NULL,
    due_at {moment} NOT NULL,
    failed_at {moment},
    fault VARCHAR DEFAULT '' NOT NULL,
    PRIMARY KEY (agency_id, document_id),
    CONSTRAINT fk_pending_act_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id),
    CONSTRAINT fk_pending_act_document_id FOREIGN KEY(agency_id, document_id)
        REFERENCES incoming_document (agency_id, id)
);
CREATE INDEX ix_pending_act_due ON pending_act (due_at) WHERE failed_at IS NULL"""


def upgrade() -> None:
    on_server = op.get_bind().dialect.name == "postgresql"
    moment = "TIMESTAMP WITH TIME ZONE" if on_server else "DATETIME"
    for statement in _TABLES.format(moment=moment).split(";"):
        op.execute(statement)
