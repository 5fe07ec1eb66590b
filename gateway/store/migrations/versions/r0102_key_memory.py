"""Changes of API keys are told, so that what is known of them can be remembered.

Expand: a process of before asks the tables each time. When a key was last used is no change.
"""

from alembic import op

revision = "0102"
down_revision = "0101"
phase = "expand"

# Whoever asks for a principal may write a row that is there already; of the keys' own nothing but a change tells.
_TOLD = {
    "api_key": (
        *("INSERT", "DELETE"),
        "UPDATE OF id, principal_id, scopes, secret_hash, created_at, expires_at, revoked_at, prefix, networks",
    ),
    "api_key_agency": ("INSERT", "UPDATE", "DELETE"),
    "principal": ("UPDATE",),
}
_SQLITE = (
    "CREATE TRIGGER memory_{table}_{word} AFTER {when} ON {table} BEGIN"
    " INSERT INTO memory_version (subject, token) VALUES ('key', hex(randomblob(16)))"
    " ON CONFLICT (subject) DO UPDATE SET token = excluded.token; END"
)
_SERVER = (
    "CREATE TRIGGER memory_{table} AFTER {when} OR TRUNCATE ON {table}"
    " FOR EACH STATEMENT EXECUTE FUNCTION memory_changed('key')"
)


def upgrade() -> None:
    on_server = op.get_bind().dialect.name == "postgresql"
    for table, told in _TOLD.items():
        if on_server:
            op.execute(_SERVER.format(table=table, when=" OR ".join(told)))
            continue
        for when in told:
            op.execute(_SQLITE.format(table=table, when=when, word=when.split()[0].lower()))
