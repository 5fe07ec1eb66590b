"""The whole schema in one step, as SQL of each database.

Expand: there is nothing before it. What a server may not have is asked for here, and not in its SQL.
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0300"
down_revision = None
phase = "expand"


def upgrade() -> None:
    connection = op.get_bind()
    text = (
        Path(__file__).with_name(f"r0300_baseline_{connection.dialect.name}.sql").read_text(encoding="utf-8")
    )
    for statement in text.split("\n\n"):
        connection.exec_driver_sql(statement)
    if connection.dialect.name == "postgresql" and _has_trigrams(connection):
        op.execute("CREATE INDEX ix_list_search ON list_row USING gin (folded gin_trgm_ops)")


def _has_trigrams(connection: sa.Connection) -> bool:
    """Whether the server has the extension, made here where it may be. Without it searching reads more rows."""
    try:
        with connection.begin_nested():
            connection.execute(sa.text("CREATE EXTENSION IF NOT EXISTS pg_trgm"))
    except sa.exc.DBAPIError:
        return False
    return True
