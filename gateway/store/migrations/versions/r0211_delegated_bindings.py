"""Lists of an issuer are kept with their certificates, bindings name the list that they came with, and certificates of a
list have a kind and an outcome.

Expand. Bindings of before name no list: two people approved each of them.
"""

from alembic import op

revision = "0211"
down_revision = "0210"
phase = "expand"

_STATEMENTS = (
    "ALTER TABLE agency_binding ADD COLUMN list_id VARCHAR",
    "ALTER TABLE agency_binding ADD COLUMN proof TEXT",
    "CREATE INDEX ix_agency_binding_list ON agency_binding (list_id)",
    "ALTER TABLE registry_feed_proposal ADD COLUMN kind VARCHAR DEFAULT 'exchange' NOT NULL",
    "ALTER TABLE registry_feed_proposal ADD COLUMN standing VARCHAR",
    "ALTER TABLE registry_feed_proposal ADD COLUMN reason VARCHAR",
    "ALTER TABLE registry_feed_proposal ADD COLUMN detail TEXT",
    "CREATE INDEX ix_registry_feed_proposal_standing ON registry_feed_proposal (standing, code)",
    """CREATE TABLE registry_list (
    issuer VARCHAR NOT NULL,
    sequence BIGINT NOT NULL,
    digest VARCHAR NOT NULL,
    header TEXT NOT NULL,
    issuer_key VARCHAR NOT NULL,
    officers TEXT NOT NULL,
    trust VARCHAR NOT NULL,
    size INTEGER NOT NULL,
    content {bytes} NOT NULL,
    made_at {moment} NOT NULL,
    received_at {moment} NOT NULL,
    by_principal VARCHAR NOT NULL,
    state VARCHAR NOT NULL,
    due_at {moment},
    counts TEXT NOT NULL,
    PRIMARY KEY (issuer, sequence)
)""",
    "CREATE INDEX ix_registry_list_state ON registry_list (state, received_at)",
)
_KINDS = "('list.bound', 'list.ended')"
_FIELDS = "position, agency_id, id, kind, at, subject_id, principal_id, data"
_MARK = (
    "INSERT INTO memory_version (subject, token) VALUES ('binding', hex(randomblob(16)))"
    " ON CONFLICT (subject) DO UPDATE SET token = excluded.token;"
)
# Events that tell of lists' bindings spoil what is remembered of bindings, as those of single codes do.
_ON_SQLITE = (
    f"CREATE TRIGGER memory_event_list_insert AFTER INSERT ON event WHEN NEW.kind IN {_KINDS} BEGIN {_MARK} END",
    f"CREATE TRIGGER memory_event_list_update AFTER UPDATE OF {_FIELDS} ON event"
    f" WHEN OLD.kind IN {_KINDS} OR NEW.kind IN {_KINDS} BEGIN {_MARK} END",
    f"CREATE TRIGGER memory_event_list_delete AFTER DELETE ON event WHEN OLD.kind IN {_KINDS} BEGIN {_MARK} END",
)
_ON_SERVER = (
    "CREATE TRIGGER memory_event_list_insert AFTER INSERT ON event FOR EACH ROW"
    f" WHEN (NEW.kind IN {_KINDS}) EXECUTE FUNCTION memory_changed('binding')",
    f"CREATE TRIGGER memory_event_list_update AFTER UPDATE OF {_FIELDS} ON event FOR EACH ROW"
    f" WHEN (OLD.kind IN {_KINDS} OR NEW.kind IN {_KINDS}) EXECUTE FUNCTION memory_changed('binding')",
    "CREATE TRIGGER memory_event_list_delete AFTER DELETE ON event FOR EACH ROW"
    f" WHEN (OLD.kind IN {_KINDS}) EXECUTE FUNCTION memory_changed('binding')",
)


def upgrade() -> None:
    is_server = op.get_bind().dialect.name == "postgresql"
    types = {
        "bytes": "BYTEA" if is_server else "BLOB",
        "moment": "TIMESTAMP WITH TIME ZONE" if is_server else "DATETIME",
    }
    for statement in _STATEMENTS:
        op.execute(statement.format(**types))
    for trigger in _ON_SERVER if is_server else _ON_SQLITE:
        op.execute(trigger)
