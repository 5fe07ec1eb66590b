"""What a list changes in who speaks for a code is held; each take-over names the decision that it rests on.

Expand: two new tables. Take-overs of imports and approved changes of the organisation count on; those that a list alone
brought rest on nothing, until two people approve them. Remembered answers change with the take-overs.
"""

from alembic import op

revision = "0301"
down_revision = "0300"
phase = "expand"

_TABLES = """
CREATE TABLE registry_held_row (code {code} NOT NULL PRIMARY KEY, issuer VARCHAR NOT NULL, sequence BIGINT NOT NULL,
    digest VARCHAR NOT NULL, wanted TEXT NOT NULL, at {moment} NOT NULL);
CREATE INDEX ix_registry_held_row_list ON registry_held_row (issuer, sequence);
CREATE TABLE registry_takeover (code {code} NOT NULL, successor {code} NOT NULL, by_id VARCHAR NOT NULL,
    decision VARCHAR NOT NULL, at {moment} NOT NULL, PRIMARY KEY (code, successor, by_id));
CREATE INDEX ix_registry_takeover_by ON registry_takeover (by_id);
INSERT INTO registry_takeover (code, successor, by_id, decision, at)
    SELECT a.code, a.successor, r.id, COALESCE(a.decision, ''), r.approved_at
    FROM agency a JOIN registry_reform_code c ON c.code = a.code AND c.part = 'ended'
    JOIN registry_reform r ON r.id = c.reform_id AND r.state = 'approved' WHERE a.successor IS NOT NULL;
INSERT INTO registry_takeover (code, successor, by_id, decision, at)
    SELECT code, successor, 'import', COALESCE(decision, ''), updated_at
    FROM agency WHERE source = 'imported' AND successor IS NOT NULL
"""
_SERVER = """CREATE TRIGGER memory_registry_takeover AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON registry_takeover
    FOR EACH STATEMENT EXECUTE FUNCTION memory_changed('agency')"""
_FILE = """CREATE TRIGGER memory_registry_takeover_{act} AFTER {act} ON registry_takeover BEGIN
    INSERT INTO memory_version (subject, token) VALUES ('agency', hex(randomblob(16)))
    ON CONFLICT (subject) DO UPDATE SET token = excluded.token; END"""


def upgrade() -> None:
    is_server = op.get_bind().dialect.name == "postgresql"
    types = ('VARCHAR COLLATE "C"', "TIMESTAMP WITH TIME ZONE") if is_server else ("VARCHAR", "DATETIME")
    statements = _TABLES.format(code=types[0], moment=types[1]).split(";")
    triggers = [_SERVER] if is_server else [_FILE.format(act=act) for act in ("insert", "update", "delete")]
    for statement in (*statements, *triggers):
        op.get_bind().exec_driver_sql(statement)
