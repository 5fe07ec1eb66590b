"""Lists of agencies that foreign axes gave, with what of them waits for people.

Expand. A program of before asks for no lists.
"""

from alembic import op

revision = "0214"
down_revision = "0213"
phase = "expand"

_TABLE = """CREATE TABLE registry_axis_list (
    id VARCHAR NOT NULL,
    axis VARCHAR NOT NULL,
    at {moment} NOT NULL,
    state VARCHAR NOT NULL,
    added INTEGER DEFAULT 0 NOT NULL,
    waiting INTEGER DEFAULT 0 NOT NULL,
    conflicts INTEGER DEFAULT 0 NOT NULL,
    left_out INTEGER DEFAULT 0 NOT NULL,
    is_large BOOLEAN DEFAULT {no} NOT NULL,
    problems TEXT DEFAULT '[]' NOT NULL,
    fault TEXT DEFAULT '' NOT NULL,
    content TEXT DEFAULT '' NOT NULL,
    PRIMARY KEY (id)
)"""


def upgrade() -> None:
    is_server = op.get_bind().dialect.name == "postgresql"
    moment, no = ("TIMESTAMP WITH TIME ZONE", "false") if is_server else ("DATETIME", "0")
    op.execute(_TABLE.format(moment=moment, no=no))
    op.execute("CREATE INDEX ix_registry_axis_list_at ON registry_axis_list (axis, at)")
