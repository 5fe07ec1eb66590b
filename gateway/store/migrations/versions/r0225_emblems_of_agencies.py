"""Pictures of the emblems that agencies chose for their printed headings; a version of the profile names one.

Expand. A program of before prints no emblem.
"""

from alembic import op

revision = "0225"
down_revision = "0224"
phase = "expand"

_TABLE = """CREATE TABLE agency_emblem (
    agency_id VARCHAR NOT NULL,
    id VARCHAR NOT NULL,
    digest VARCHAR NOT NULL,
    content {bytes} NOT NULL,
    made_at {moment} NOT NULL,
    made_by VARCHAR NOT NULL,
    PRIMARY KEY (agency_id, id),
    CONSTRAINT fk_agency_emblem_agency FOREIGN KEY(agency_id) REFERENCES hosted_agency (id)
)"""


def upgrade() -> None:
    is_server = op.get_bind().dialect.name == "postgresql"
    types = {
        "moment": "TIMESTAMP WITH TIME ZONE" if is_server else "DATETIME",
        "bytes": "BYTEA" if is_server else "BLOB",
    }
    op.execute(_TABLE.format(**types))
