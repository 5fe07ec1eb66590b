"""Whatever processes remember of the registry, ended keys and hosted agencies gets a new token with each change, whoever
makes it.

Expand: one table, and triggers on the tables that are remembered.
"""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
phase = "expand"

_TABLES = {
    "agency": "agency",
    "agency_period": "agency",
    "registry_reform": "agency",
    "registry_reform_code": "agency",
    "agency_binding": "binding",
    "key_end": "key_end",
    "hosted_agency": "hosted",
}
# Of events only those that tell of bindings, and not when they are given their numbers.
_TOLD = "{row}.kind IN ('binding.approved', 'binding.ending', 'binding.withdrawn')"
_WHEN = {
    "INSERT": _TOLD.format(row="NEW"),
    "UPDATE": f"{_TOLD.format(row='OLD')} OR {_TOLD.format(row='NEW')}",
    "DELETE": _TOLD.format(row="OLD"),
}
_TOLD_IN = "position, agency_id, id, kind, at, subject_id, principal_id, data"


def upgrade() -> None:
    op.create_table(
        "memory_version",
        sa.Column("subject", sa.String(), primary_key=True),
        sa.Column("token", sa.String(), nullable=False),
    )
    if op.get_bind().dialect.name == "postgresql":
        _on_server()
    else:
        _on_sqlite()


def _on_server() -> None:
    # Once in a transaction: a row that one transaction writes again and again grows a chain that each write walks.
    op.execute(
        """CREATE OR REPLACE FUNCTION memory_changed() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE mine text := txid_current()::text;
        BEGIN
        IF NOT EXISTS (SELECT 1 FROM memory_version WHERE subject = TG_ARGV[0] AND token = mine) THEN
            INSERT INTO memory_version (subject, token) VALUES (TG_ARGV[0], mine)
            ON CONFLICT (subject) DO UPDATE SET token = excluded.token;
        END IF;
        RETURN NULL;
        END $$"""
    )
    for table, subject in _TABLES.items():
        op.execute(
            f"CREATE TRIGGER memory_{table} AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION memory_changed('{subject}')"
        )
    for act, when in _WHEN.items():
        of = f"UPDATE OF {_TOLD_IN}" if act == "UPDATE" else act
        op.execute(
            f"CREATE TRIGGER memory_event_{act.lower()} AFTER {of} ON event "
            f"FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION memory_changed('binding')"
        )
    op.execute(
        "CREATE TRIGGER memory_event_truncate AFTER TRUNCATE ON event "
        "FOR EACH STATEMENT EXECUTE FUNCTION memory_changed('binding')"
    )


def _on_sqlite() -> None:
    for table, subject in _TABLES.items():
        for act in _WHEN:
            op.execute(
                f"CREATE TRIGGER memory_{table}_{act.lower()} AFTER {act} ON {table} {_changed(subject)}"
            )
    for act, when in _WHEN.items():
        of = f"UPDATE OF {_TOLD_IN}" if act == "UPDATE" else act
        op.execute(
            f"CREATE TRIGGER memory_event_{act.lower()} AFTER {of} ON event WHEN {when} {_changed('binding')}"
        )


def _changed(subject: str) -> str:
    write = f"INSERT INTO memory_version (subject, token) VALUES ('{subject}', hex(randomblob(16)))"  # noqa: S608 - a name from above
    return f"BEGIN {write} ON CONFLICT (subject) DO UPDATE SET token = excluded.token; END"
