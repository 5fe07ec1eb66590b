"""Acts that can still be undone, and profiles of agencies, have their tables.

Expand: a program of before knows neither, and needs neither. A change of a profile tells every process to read the hosted
agencies anew, because the way of numbering is one of its settings.
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


# As those of the other watched tables.
_ON_SERVER = """CREATE TRIGGER memory_agency_profile AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON agency_profile
FOR EACH STATEMENT EXECUTE FUNCTION memory_changed('hosted')"""
_ON_SQLITE = """CREATE TRIGGER memory_agency_profile_{way} AFTER {change} ON agency_profile BEGIN INSERT INTO memory_version
(subject, token) VALUES ('hosted', hex(randomblob(16))) ON CONFLICT (subject) DO UPDATE SET token = excluded.token; END"""


def upgrade() -> None:
    on_server = op.get_bind().dialect.name == "postgresql"
    moment = "TIMESTAMP WITH TIME ZONE" if on_server else "DATETIME"
    for statement in _TABLES.format(moment=moment).split(";"):
        op.execute(statement)
    if on_server:
        op.execute(_ON_SERVER)
        return
    for change in ("INSERT", "UPDATE", "DELETE"):
        op.execute(_ON_SQLITE.format(way=change.lower(), change=change))
