"""What opens a key: its secret, a client certificate, or both; and which certificate that is.

Expand: a process of before asks for the secret alone. Another way or certificate is a change of a key that is told, as
every other is.
"""

import sqlalchemy as sa
from alembic import op

revision = "0109"
down_revision = "0108"
phase = "expand"

_COLUMNS = (
    "id, principal_id, scopes, secret_hash, created_at, expires_at, revoked_at, prefix, networks,"
    " way, certificate_sha256, certificate_name, certificate_begins_at, certificate_ends_at"
)
_SQLITE = (
    "CREATE TRIGGER memory_api_key_update AFTER UPDATE OF {columns} ON api_key BEGIN"
    " INSERT INTO memory_version (subject, token) VALUES ('key', hex(randomblob(16)))"
    " ON CONFLICT (subject) DO UPDATE SET token = excluded.token; END"
)
_SERVER = (
    "CREATE TRIGGER memory_api_key AFTER INSERT OR DELETE OR UPDATE OF {columns} OR TRUNCATE ON api_key"
    " FOR EACH STATEMENT EXECUTE FUNCTION memory_changed('key')"
)


def upgrade() -> None:
    op.add_column("api_key", sa.Column("way", sa.String(), nullable=False, server_default="secret"))
    op.add_column("api_key", sa.Column("certificate_sha256", sa.String(), nullable=True))
    op.add_column("api_key", sa.Column("certificate_name", sa.Text(), nullable=True))
    op.add_column("api_key", sa.Column("certificate_begins_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("api_key", sa.Column("certificate_ends_at", sa.DateTime(timezone=True), nullable=True))
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TRIGGER memory_api_key ON api_key")
        op.execute(_SERVER.format(columns=_COLUMNS))
    else:
        op.execute("DROP TRIGGER memory_api_key_update")
        op.execute(_SQLITE.format(columns=_COLUMNS))
