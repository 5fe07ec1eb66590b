"""Certificates that sign PDFs are registered for agencies, and who may seal for another.

Expand. Nothing is filled here: on the day of the upgrade no seal is registered.
"""

from alembic import op

revision = "0213"
down_revision = "0212"
phase = "expand"

_TABLES = (
    """CREATE TABLE agency_seal (
    id VARCHAR NOT NULL,
    code VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    fingerprint VARCHAR NOT NULL,
    certificate_pem TEXT NOT NULL,
    name VARCHAR NOT NULL,
    position VARCHAR NOT NULL,
    capacity VARCHAR NOT NULL,
    valid_from {moment} NOT NULL,
    valid_to {moment} NOT NULL,
    state VARCHAR NOT NULL,
    proposed_by VARCHAR NOT NULL,
    approved_by VARCHAR NOT NULL,
    created_at {moment} NOT NULL,
    PRIMARY KEY (id)
)""",
    "CREATE INDEX ix_agency_seal_code ON agency_seal (code)",
    "CREATE INDEX ix_agency_seal_fingerprint ON agency_seal (fingerprint)",
    """CREATE TABLE agency_sealing_right (
    id VARCHAR NOT NULL,
    acting_code VARCHAR NOT NULL,
    code VARCHAR NOT NULL,
    act_number VARCHAR NOT NULL,
    act_date DATE NOT NULL,
    valid_from DATE NOT NULL,
    valid_to DATE,
    state VARCHAR NOT NULL,
    proposed_by VARCHAR NOT NULL,
    approved_by VARCHAR NOT NULL,
    created_at {moment} NOT NULL,
    PRIMARY KEY (id)
)""",
    "CREATE INDEX ix_agency_sealing_right_code ON agency_sealing_right (code)",
)
_KINDS = "'seal.approved', 'seal.withdrawn', 'sealing_right.approved', 'sealing_right.withdrawn'"
_EVENT_COLUMNS = "position, agency_id, id, kind, at, subject_id, principal_id, data"
# As those of the other watched tables.
_ON_SERVER = (
    *(
        f"CREATE TRIGGER memory_{table} AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table}"
        " FOR EACH STATEMENT EXECUTE FUNCTION memory_changed('seal')"
        for table in ("agency_seal", "agency_sealing_right")
    ),
    "CREATE TRIGGER memory_seal_event_insert AFTER INSERT ON event FOR EACH ROW"
    f" WHEN (NEW.kind IN ({_KINDS})) EXECUTE FUNCTION memory_changed('seal')",
    f"CREATE TRIGGER memory_seal_event_update AFTER UPDATE OF {_EVENT_COLUMNS} ON event FOR EACH ROW"
    f" WHEN (OLD.kind IN ({_KINDS}) OR NEW.kind IN ({_KINDS})) EXECUTE FUNCTION memory_changed('seal')",
    "CREATE TRIGGER memory_seal_event_delete AFTER DELETE ON event FOR EACH ROW"
    f" WHEN (OLD.kind IN ({_KINDS})) EXECUTE FUNCTION memory_changed('seal')",
)
_CHANGED = (
    "BEGIN INSERT INTO memory_version (subject, token) VALUES ('seal', hex(randomblob(16)))"
    " ON CONFLICT (subject) DO UPDATE SET token = excluded.token; END"
)
_ON_SQLITE = (
    *(
        f"CREATE TRIGGER memory_{table}_{change.lower()} AFTER {change} ON {table} {_CHANGED}"
        for table in ("agency_seal", "agency_sealing_right")
        for change in ("INSERT", "UPDATE", "DELETE")
    ),
    f"CREATE TRIGGER memory_seal_event_insert AFTER INSERT ON event WHEN NEW.kind IN ({_KINDS}) {_CHANGED}",
    f"CREATE TRIGGER memory_seal_event_update AFTER UPDATE OF {_EVENT_COLUMNS} ON event"
    f" WHEN OLD.kind IN ({_KINDS}) OR NEW.kind IN ({_KINDS}) {_CHANGED}",
    f"CREATE TRIGGER memory_seal_event_delete AFTER DELETE ON event WHEN OLD.kind IN ({_KINDS}) {_CHANGED}",
)


def upgrade() -> None:
    is_server = op.get_bind().dialect.name == "postgresql"
    moment = "TIMESTAMP WITH TIME ZONE" if is_server else "DATETIME"
    for statement in (*_TABLES, *(_ON_SERVER if is_server else _ON_SQLITE)):
        op.execute(statement.format(moment=moment))
